//! Tokens: who may do what. Stored as hashes, compared in constant time.
