//! TypeScript to JavaScript to image to component.
