# Feature Sidecar. `make image`, or: docker build -t feature-sidecar .
# Both stages start from BASE_IMAGE: any Debian with Python 3.11 or later. BUILD_IMAGE may be another one that has gcc
# and pip already. Without a network: put the wheels of every dependency into ./wheelhouse and pass
# --build-arg PIP_NO_INDEX=1 (tests/image does). No step names an architecture: amd64 and arm64 build alike.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ENV PIP_FIND_LINKS=/wheelhouse PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN command -v gcc && command -v strip \
    || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev binutils; }
WORKDIR /src
# LICENSE stands in where there is no wheelhouse: COPY wants at least one file.
COPY LICENSE wheelhous[e] /wheelhouse/
COPY pyproject.toml setup.py README.md LICENSE ./
COPY protocol protocol
COPY policies policies
COPY sidecar sidecar
RUN python3 -m pip wheel --no-deps --wheel-dir /dist .
# Without pip, type stubs, sources of native modules and their debug symbols. The bytecode is not checked against the
# source at each import: the root file system is read-only.
RUN set -eu; home=/opt/feature-sidecar; \
    python3 -m venv --without-pip "$home"; \
    python3 -m pip --python "$home" install --no-compile "$(echo /dist/*.whl)[injector]"; \
    find "$home" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete; \
    find "$home" -type d \( -name tests -o -name test \) -prune -exec rm -r {} +; \
    find "$home" -name '*.so*' -exec strip --strip-unneeded {} +; \
    "$home/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$home/lib"

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="feature-sidecar" \
      org.opencontainers.image.description="A Redis on localhost for ML inference pods whose data lives in Couchbase" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/feature-sidecar /opt/feature-sidecar
ENV PATH=/opt/feature-sidecar/bin:${PATH} PYTHONUNBUFFERED=1
# Slim Python images have no bytecode of the standard library, and nobody could write it later: this start writes what
# serve and the injector import. SQLite files and unix sockets go into two folders of the sidecar's user, or of group 0
# where a platform chooses the uid (OpenShift).
RUN python -c 'import couchbase.cluster, sidecar.injector.service, sidecar.server' \
    && mkdir /var/lib/feature-sidecar /run/feature-sidecar \
    && chown 65532:0 /var/lib/feature-sidecar /run/feature-sidecar \
    && chmod 0770 /var/lib/feature-sidecar /run/feature-sidecar
ENV PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/feature-sidecar
USER 65532:65532
EXPOSE 6379 8379
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=5s CMD ["python", "-Im", "sidecar.healthcheck"]
ENTRYPOINT ["feature-sidecar"]
CMD ["serve"]
