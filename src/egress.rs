//! The one way out: resolve, filter, dial that address.
