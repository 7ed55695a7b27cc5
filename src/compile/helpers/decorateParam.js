// A parameter's decorator as one of its method or class.
export default function decorateParam(index, decorator) {
  return (target, key) => decorator(target, key, index);
}
