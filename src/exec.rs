//! Scripts to routes to live handlers.
