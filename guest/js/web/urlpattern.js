// URLPattern, by urlpattern-polyfill.

export { URLPattern } from "footpath:npm/urlpattern-polyfill";
