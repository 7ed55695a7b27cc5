// What TypeScript's experimentalDecorators do with a class (two arguments), a
// method or accessor (`descriptor` is null) or a field (it is undefined).
export default function decorate(decorators, target, key, descriptor) {
  const isClass = arguments.length < 3;
  let result = isClass
    ? target
    : descriptor === null
      ? Object.getOwnPropertyDescriptor(target, key)
      : descriptor;
  for (let i = decorators.length - 1; i >= 0; i--) {
    const decorator = decorators[i];
    result = (isClass ? decorator(result) : decorator(target, key, result)) || result;
  }
  if (!isClass && result) Object.defineProperty(target, key, result);
  return result;
}
