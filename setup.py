"""Build the native modules: every .pyx below the three packages is an extension module of its own.

So is every .py beside a .pxd of its name: plain typed Python that also runs as it is, with its classes and calls made C
by the declarations of the .pxd (Cython's "augmenting .pxd").
"""

import os
import zlib
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGES = ("protocol", "policies", "sidecar")
DEBUG = os.environ.get("SIDECAR_DEBUG") == "1"  # assertions, live-instance counts; CI builds and tests both
# One folder for each set of flags: build_ext looks at file times only and would mix objects of two variants.
VARIANT = f"{'debug' if DEBUG else 'release'}-{zlib.crc32(os.environ.get('CFLAGS', '').encode()):08x}"


def extensions() -> list[Extension]:
    """One Extension per native module, named after its path."""
    sources = sorted(
        path
        for package in PACKAGES
        for path in Path(package).rglob("*.py*")
        if path.suffix == ".pyx" or (path.suffix == ".py" and path.with_suffix(".pxd").exists())
    )
    optimise = ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"]
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            extra_compile_args=[*optimise, "-Wno-unused-function", "-fno-strict-aliasing"],
            define_macros=[("SIDECAR_DEBUG", "1" if DEBUG else "0")],
        )
        for path in sources
    ]


setup(
    ext_modules=cythonize(
        extensions(),
        nthreads=os.cpu_count() or 1,
        compiler_directives={
            "language_level": 3,
            "boundscheck": True,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": False,
            "annotation_typing": False,  # C types stand in the .pxd; annotations are for readers and mypy
        },
        show_all_warnings=False,
    ),
    options={"build": {"build_base": f"build/{VARIANT}"}, "build_ext": {"parallel": os.cpu_count() or 1}},
)
