//! What outlives a request. Nothing else knows sled.
