//! Stopping: one signal that every task can wait for, and the drain that waits for the tasks.
