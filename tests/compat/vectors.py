"""All vectors."""

from compat.connection_vectors import CONNECTIONS, PROTOCOL
from compat.hash_vectors import FIELD_EXPIRIES, HASHES
from compat.key_vectors import KEYS, TRANSACTIONS
from compat.string_vectors import STRINGS

VECTORS = (*STRINGS, *HASHES, *FIELD_EXPIRIES, *KEYS, *TRANSACTIONS, *CONNECTIONS, *PROTOCOL)
