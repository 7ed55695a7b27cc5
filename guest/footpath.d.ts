// What a Footpath handler sees, for editors. Use it with
//   "lib": ["ES2023"], "types": []
// and without the DOM library, which describes browsers.

/** Names of Footpath's own; handlers need none of them at run time. */
declare namespace Footpath {
  /** A handler in the Node style: `export default handler`, or `module.exports = handler`. */
  type Handler = (req: Req, res: Res, metadata: Metadata, shared: Shared) => Result | Promise<Result>;

  /** A handler in the Web style: `export default { fetch(request) { … } }`. */
  interface WebHandler {
    fetch(request: Request, env: Record<string, string | undefined>, ctx: Context): Result | Promise<Result>;
  }

  /**
   * What a handler may return. Plain objects, arrays, numbers, booleans and null are
   * the JSON body; text is `text/plain`; bytes are `application/octet-stream`; a
   * `Response` goes through as it is; streams and async iterables are sent as they
   * come; undefined is 204, unless the handler has answered through `res`.
   */
  type Result =
    | Response | string | number | boolean | null | undefined | void | object
    | Uint8Array | ArrayBuffer | Blob | FormData | URLSearchParams
    | ReadableStream | AsyncIterable<string | Uint8Array> | { textStream: AsyncIterable<string | Uint8Array> };

  /** The request in the Node style. */
  interface Req extends AsyncIterable<Buffer> {
    readonly method: string;
    /** Path and query, such as `/users/7?full=1`. */
    readonly url: string;
    readonly httpVersion: string;
    /** Names in lower case. */
    readonly headers: Record<string, string | undefined> & { host: string; "set-cookie"?: string[] };
    /**
     * By Content-Type: parsed JSON; an object of a urlencoded form (the last value of a
     * name) or of the text fields of a multipart form; a Buffer for other types.
     * Undefined without a body, for GET and HEAD, and with `@rawBody`.
     */
    readonly body: any;
    /** The bytes of the body. Undefined for GET and HEAD, and with `@rawBody`. */
    readonly rawBody: Buffer | undefined;
    /** The files of a multipart form. */
    readonly files: UploadedFile[];
    readonly socket: { readonly remoteAddress: string; readonly encrypted: boolean };
    /** The chunks of the body; with `@rawBody` this is the way to read it. */
    [Symbol.asyncIterator](): AsyncIterator<Buffer>;
  }

  interface UploadedFile {
    fieldName: string;
    filename: string;
    type: string;
    /** Bytes. */
    size: number;
    data: Buffer;
  }

  type HeaderValue = string | number | readonly string[];

  /** The response in the Node style, with the helpers of Express. */
  interface Res {
    statusCode: number;
    statusMessage: string;
    readonly headersSent: boolean;
    readonly writableEnded: boolean;
    readonly finished: boolean;
    setHeader(name: string, value: HeaderValue): this;
    appendHeader(name: string, value: string | readonly string[]): this;
    getHeader(name: string): string | string[] | undefined;
    getHeaders(): Record<string, string | string[]>;
    getHeaderNames(): string[];
    hasHeader(name: string): boolean;
    removeHeader(name: string): void;
    writeHead(status: number, headers?: Record<string, HeaderValue> | readonly HeaderValue[]): this;
    writeHead(status: number, message: string, headers?: Record<string, HeaderValue> | readonly HeaderValue[]): this;
    flushHeaders(): void;
    /** False when the caller reads slower than this; `drain` tells when it has caught up. */
    write(chunk: string | Uint8Array | ArrayBuffer, encoding?: BufferEncoding | (() => void), callback?: () => void): boolean;
    end(callback?: () => void): this;
    end(chunk: string | Uint8Array | ArrayBuffer, encoding?: BufferEncoding | (() => void), callback?: () => void): this;
    on(event: "finish" | "close" | "drain", listener: () => void): this;
    once(event: "finish" | "close" | "drain", listener: () => void): this;
    off(event: string, listener: (...values: any[]) => void): this;
    emit(event: string, ...values: any[]): boolean;

    status(code: number): this;
    sendStatus(code: number): this;
    set(name: string, value: HeaderValue): this;
    set(headers: Record<string, HeaderValue>): this;
    header(name: string, value: HeaderValue): this;
    header(headers: Record<string, HeaderValue>): this;
    get(name: string): string | string[] | undefined;
    append(name: string, value: string | readonly string[]): this;
    /** A media type, or a short name such as `html`, `json`, `txt`. */
    type(type: string): this;
    location(url: string): this;
    redirect(url: string): this;
    redirect(status: number, url: string): this;
    json(value: unknown): this;
    /** Text as HTML, bytes as they are, other values as JSON. */
    send(value?: unknown): this;
  }

  /** What the router and the proxy know about the call. */
  interface Metadata {
    /** UUID of this call; also in the logs. */
    readonly executionId: string;
    /** `[id]` gives a string, `[...slug]` and `[[...path]]` a list of strings. */
    readonly parameters: Record<string, any>;
    /** Without a port. */
    readonly clientIp: string;
    readonly path: string;
    readonly method: string;
    /** Path and query. */
    readonly url: string;
    /** The last value of each name, with the route parameters merged over it. */
    readonly query: Record<string, any>;
    /** How many calls of our own routes led to this one; 0 for a call from outside. */
    readonly depth: number;
  }

  /** One object per deployment, in memory: JSON values that later calls see. */
  interface Shared {
    [key: string]: any;
  }

  /** The third argument of a Web-style handler. */
  interface Context {
    /** What must end before the call is over, though the answer does not wait for it. */
    waitUntil(promise: Promise<unknown>): void;
    passThroughOnException(): void;
    readonly metadata: Metadata;
    readonly shared: Shared;
  }

  /**
   * Values that `kv` keeps; each comes back as what it was. Large whole numbers are bigint. Objects and arrays are kept as
   * JSON: a Date in one comes back as a text, and what JSON cannot keep (bytes, a Map, a Set, NaN) is refused.
   */
  type KvValue = string | number | bigint | boolean | null | Uint8Array | { [key: string]: any } | readonly any[];

  /** Durable values of the deployment. Keys are at most 1 KiB, values at most 1 MiB. */
  interface Kv {
    get<Value = any>(key: string): Promise<Value | undefined>;
    /** It is on disk when the promise resolves. */
    set(key: string, value: KvValue): Promise<void>;
    /** True when there was a value. */
    delete(key: string): Promise<boolean>;
    /** Keys in byte order, at most `limit` (1 to 1000); give the cursor to go on, null is the end. */
    list(options?: { prefix?: string; cursor?: string | null; limit?: number }): Promise<{ keys: string[]; cursor: string | null }>;
    /** Adds a whole number (1 by default) to a number and gives the sum; a missing key is 0. Atomic. */
    increment(key: string, by?: number | bigint): Promise<number | bigint>;
    /**
     * Stores `next` when the present value is `expected`, and says whether it did. As
     * `expected`, undefined and null mean no value; as `next`, they delete. Atomic.
     */
    compareAndSet(key: string, expected: KvValue | undefined, next: KvValue | undefined): Promise<boolean>;
  }

  /** What `PATCH /api/v1/proxy/cert/bundle` takes as `cert`. */
  interface Certificate {
    /** PEM: the server's own certificate, then its issuers. */
    cert: string;
    /** PEM. */
    key: string;
    /** PEM: the issuers alone. */
    chain: string;
    domain: string;
    names: string[];
    serial: string;
    fingerprint: string;
    notBefore: string;
    notAfter: string;
    issuer: string;
    /** `not_due`: no order was made, this is the one in force. `dry_run`: nobody trusts it. */
    status: "issued" | "not_due" | "dry_run";
  }

  interface Acme {
    /** A certificate for these names; it is ordered when the one in force is due. Fails with an AcmeError. */
    order(domain: string | string[], options?: { force?: boolean; profile?: string; keyType?: "ec256" | "ec384" | "rsa2048" }): Promise<Certificate>;
    /** How a domain stands; null when nothing is known of it. */
    status(domain: string): Promise<{ domain: string; status: string; [key: string]: any } | null>;
  }
}

// A script without exports is the body of a handler and sees these.
declare const req: Footpath.Req;
declare const res: Footpath.Res;
declare const metadata: Footpath.Metadata;
declare const shared: Footpath.Shared;
declare const kv: Footpath.Kv;
declare const acme: Footpath.Acme;

// Node ----------------------------------------------------------------------------

declare var process: {
  readonly env: Record<string, string | undefined>;
  readonly platform: string;
  readonly arch: string;
  readonly argv: string[];
  nextTick(callback: (...values: any[]) => void, ...values: any[]): void;
  hrtime: { (since?: [number, number]): [number, number]; bigint(): bigint };
  uptime(): number;
  cwd(): string;
  emitWarning(warning: string | Error): void;
};
/**
 * A few modules of Node; anything else is an error that says what to use. They can be imported too, with `node:` or
 * without.
 */
declare function require(name: "crypto" | "node:crypto"): typeof import("node:crypto");
declare function require(name: "buffer" | "node:buffer"): typeof import("node:buffer");
declare function require(name: "process" | "node:process"): typeof process;
declare function require(name: "timers" | "node:timers"): typeof import("node:timers");
declare function require(name: "timers/promises" | "node:timers/promises"): typeof import("node:timers/promises");
declare function require(name: "url" | "node:url"): typeof import("node:url");
declare function require(name: string): any;
declare var module: { exports: any };
declare var exports: any;
declare var global: typeof globalThis;

type BufferEncoding = "utf8" | "utf-8" | "hex" | "base64" | "base64url" | "latin1" | "binary" | "ascii" | "utf16le" | "utf-16le" | "ucs2" | "ucs-2";

interface Buffer extends Uint8Array {
  toString(encoding?: BufferEncoding, start?: number, end?: number): string;
  toJSON(): { type: "Buffer"; data: number[] };
  equals(other: Uint8Array): boolean;
  compare(other: Uint8Array): -1 | 0 | 1;
  slice(start?: number, end?: number): any;
  subarray(start?: number, end?: number): any;
  write(text: string, encoding?: BufferEncoding): number;
  write(text: string, offset: number, length?: number | BufferEncoding, encoding?: BufferEncoding): number;
  copy(target: Uint8Array, targetStart?: number, start?: number, end?: number): number;
  fill(value: any, start?: number, end?: number, encoding?: BufferEncoding): this;
  indexOf(value: any, from?: number | BufferEncoding, encoding?: BufferEncoding): number;
  lastIndexOf(value: any, from?: number | BufferEncoding, encoding?: BufferEncoding): number;
  includes(value: any, from?: number, encoding?: BufferEncoding): boolean;
  readInt8(offset?: number): number;
  writeInt8(value: number, offset?: number): number;
  readUInt8(offset?: number): number;
  writeUInt8(value: number, offset?: number): number;
  readInt16BE(offset?: number): number;
  writeInt16BE(value: number, offset?: number): number;
  readInt16LE(offset?: number): number;
  writeInt16LE(value: number, offset?: number): number;
  readUInt16BE(offset?: number): number;
  writeUInt16BE(value: number, offset?: number): number;
  readUInt16LE(offset?: number): number;
  writeUInt16LE(value: number, offset?: number): number;
  readInt32BE(offset?: number): number;
  writeInt32BE(value: number, offset?: number): number;
  readInt32LE(offset?: number): number;
  writeInt32LE(value: number, offset?: number): number;
  readUInt32BE(offset?: number): number;
  writeUInt32BE(value: number, offset?: number): number;
  readUInt32LE(offset?: number): number;
  writeUInt32LE(value: number, offset?: number): number;
  readBigInt64BE(offset?: number): bigint;
  writeBigInt64BE(value: bigint, offset?: number): number;
  readBigInt64LE(offset?: number): bigint;
  writeBigInt64LE(value: bigint, offset?: number): number;
  readBigUInt64BE(offset?: number): bigint;
  writeBigUInt64BE(value: bigint, offset?: number): number;
  readBigUInt64LE(offset?: number): bigint;
  writeBigUInt64LE(value: bigint, offset?: number): number;
  readFloatBE(offset?: number): number;
  writeFloatBE(value: number, offset?: number): number;
  readFloatLE(offset?: number): number;
  writeFloatLE(value: number, offset?: number): number;
  readDoubleBE(offset?: number): number;
  writeDoubleBE(value: number, offset?: number): number;
  readDoubleLE(offset?: number): number;
  writeDoubleLE(value: number, offset?: number): number;
  readIntBE(offset: number, byteLength: number): number;
  writeIntBE(value: number, offset: number, byteLength: number): number;
  readIntLE(offset: number, byteLength: number): number;
  writeIntLE(value: number, offset: number, byteLength: number): number;
  readUIntBE(offset: number, byteLength: number): number;
  writeUIntBE(value: number, offset: number, byteLength: number): number;
  readUIntLE(offset: number, byteLength: number): number;
  writeUIntLE(value: number, offset: number, byteLength: number): number;
}
declare var Buffer: {
  readonly prototype: Buffer;
  from(text: string, encoding?: BufferEncoding): Buffer;
  from(buffer: ArrayBuffer | SharedArrayBuffer, offset?: number, length?: number): Buffer;
  from(bytes: ArrayLike<number> | { type: "Buffer"; data: number[] }): Buffer;
  alloc(size: number, fill?: number | string | Uint8Array, encoding?: BufferEncoding): Buffer;
  allocUnsafe(size: number): Buffer;
  isBuffer(value: unknown): value is Buffer;
  isEncoding(encoding: string): boolean;
  byteLength(value: string | ArrayBuffer | ArrayBufferView, encoding?: BufferEncoding): number;
  concat(list: readonly Uint8Array[], total?: number): Buffer;
  compare(a: Uint8Array, b: Uint8Array): -1 | 0 | 1;
};

declare namespace Footpath {
  /** Global classes, by names that a module may use for its own. */
  interface Classes {
    Blob: typeof Blob;
    File: typeof File;
    URL: typeof URL;
    URLSearchParams: typeof URLSearchParams;
  }
}

declare module "node:buffer" {
  const Buffer: typeof globalThis.Buffer;
  type Buffer = globalThis.Buffer;
  const Blob: Footpath.Classes["Blob"];
  type Blob = globalThis.Blob;
  const File: Footpath.Classes["File"];
  type File = globalThis.File;
  const atob: typeof globalThis.atob;
  const btoa: typeof globalThis.btoa;
  const all: { Buffer: typeof Buffer; Blob: typeof Blob; File: typeof File; atob: typeof atob; btoa: typeof btoa };
  export default all;
  export { Buffer, Blob, File, atob, btoa };
}
declare module "node:crypto" {
  type Bytes = string | ArrayBuffer | ArrayBufferView;
  type HashName = "sha1" | "sha256" | "sha384" | "sha512" | (string & {});
  class Hash {
    private constructor();
    update(data: Bytes, encoding?: BufferEncoding): this;
    digest(): Buffer;
    digest(encoding: BufferEncoding): string;
    copy(): Hash;
  }
  class Hmac {
    private constructor();
    update(data: Bytes, encoding?: BufferEncoding): this;
    digest(): Buffer;
    digest(encoding: BufferEncoding): string;
  }
  function createHash(algorithm: HashName): Hash;
  function createHmac(algorithm: HashName, key: Bytes, options?: { encoding?: BufferEncoding }): Hmac;
  function hash(algorithm: HashName, data: Bytes, encoding?: BufferEncoding): string;
  function hash(algorithm: HashName, data: Bytes, encoding: "buffer"): Buffer;
  function getHashes(): string[];
  /** Throws if the lengths differ. */
  function timingSafeEqual(left: ArrayBufferLike | ArrayBufferView, right: ArrayBufferLike | ArrayBufferView): boolean;
  function randomBytes(size: number): Buffer;
  function randomBytes(size: number, callback: (error: null, bytes: Buffer) => void): void;
  /** `max` is excluded. */
  function randomInt(max: number): number;
  function randomInt(max: number, callback: (error: null, number: number) => void): void;
  function randomInt(min: number, max: number): number;
  function randomInt(min: number, max: number, callback: (error: null, number: number) => void): void;
  function randomUUID(): string;
  function getRandomValues<Bytes extends ArrayBufferView>(array: Bytes): Bytes;
  const subtle: SubtleCrypto;
  const webcrypto: Crypto;
  const all: typeof import("node:crypto");
  export default all;
  export {
    Hash, Hmac, createHash, createHmac, hash, getHashes, timingSafeEqual, randomBytes, randomInt, randomUUID,
    getRandomValues, subtle, webcrypto,
  };
}
declare module "node:process" {
  const all: typeof globalThis.process;
  export default all;
  export const arch: typeof all.arch;
  export const argv: typeof all.argv;
  export const cwd: typeof all.cwd;
  export const env: typeof all.env;
  export const hrtime: typeof all.hrtime;
  export const nextTick: typeof all.nextTick;
  export const platform: typeof all.platform;
  export const uptime: typeof all.uptime;
}
declare module "node:timers" {
  const setTimeout: typeof globalThis.setTimeout;
  const setInterval: typeof globalThis.setInterval;
  const setImmediate: typeof globalThis.setImmediate;
  const clearTimeout: typeof globalThis.clearTimeout;
  const clearInterval: typeof globalThis.clearInterval;
  const clearImmediate: typeof globalThis.clearImmediate;
  const all: typeof import("node:timers");
  export default all;
  export { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
}
declare module "node:timers/promises" {
  function setTimeout<Value = void>(delay?: number, value?: Value, options?: { signal?: AbortSignal }): Promise<Value>;
  function setImmediate<Value = void>(value?: Value, options?: { signal?: AbortSignal }): Promise<Value>;
  const all: typeof import("node:timers/promises");
  export default all;
  export { setTimeout, setImmediate };
}
declare module "node:url" {
  const URL: Footpath.Classes["URL"];
  type URL = globalThis.URL;
  const URLSearchParams: Footpath.Classes["URLSearchParams"];
  type URLSearchParams = globalThis.URLSearchParams;
  const all: { URL: typeof URL; URLSearchParams: typeof URLSearchParams };
  export default all;
  export { URL, URLSearchParams };
}
declare module "buffer" { export * from "node:buffer"; export { default } from "node:buffer"; }
declare module "crypto" { export * from "node:crypto"; export { default } from "node:crypto"; }
declare module "process" { export * from "node:process"; export { default } from "node:process"; }
declare module "timers" { export * from "node:timers"; export { default } from "node:timers"; }
declare module "timers/promises" { export * from "node:timers/promises"; export { default } from "node:timers/promises"; }
declare module "url" { export * from "node:url"; export { default } from "node:url"; }

// The Web --------------------------------------------------------------------------

declare var self: typeof globalThis;
declare const navigator: { readonly userAgent: string };

interface Console {
  log(...values: any[]): void;
  info(...values: any[]): void;
  debug(...values: any[]): void;
  warn(...values: any[]): void;
  error(...values: any[]): void;
  trace(...values: any[]): void;
  assert(condition?: unknown, ...values: any[]): void;
  dir(value: unknown, options?: { depth?: number | null; showHidden?: boolean }): void;
  dirxml(...values: any[]): void;
  table(data: unknown, columns?: readonly string[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...values: any[]): void;
  timeEnd(label?: string): void;
  group(...values: any[]): void;
  groupCollapsed(...values: any[]): void;
  groupEnd(): void;
  clear(): void;
}
/** Lines go to the execution log. */
declare const console: Console;

type BufferSource = ArrayBufferLike | ArrayBufferView;

// Timers

/** What setTimeout gives: an object that is a number where one is needed. */
interface Timeout {
  ref(): this;
  unref(): this;
  hasRef(): boolean;
  close(): this;
  [Symbol.toPrimitive](): number;
}
declare function setTimeout(callback: (...values: any[]) => void, delay?: number, ...values: any[]): Timeout;
declare function setInterval(callback: (...values: any[]) => void, delay?: number, ...values: any[]): Timeout;
declare function setImmediate(callback: (...values: any[]) => void, ...values: any[]): Timeout;
declare function clearTimeout(timer: Timeout | number | undefined | null): void;
declare function clearInterval(timer: Timeout | number | undefined | null): void;
declare function clearImmediate(timer: Timeout | number | undefined | null): void;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<Value>(value: Value, options?: { transfer?: ArrayBuffer[] }): Value;
declare function atob(text: string): string;
declare function btoa(text: string): string;
declare const performance: { now(): number; readonly timeOrigin: number; toJSON(): { timeOrigin: number } };

// Events

interface EventInit { bubbles?: boolean; cancelable?: boolean; composed?: boolean }
declare class Event {
  constructor(type: string, init?: EventInit);
  static readonly NONE: 0;
  static readonly CAPTURING_PHASE: 1;
  static readonly AT_TARGET: 2;
  static readonly BUBBLING_PHASE: 3;
  readonly NONE: 0;
  readonly CAPTURING_PHASE: 1;
  readonly AT_TARGET: 2;
  readonly BUBBLING_PHASE: 3;
  readonly type: string;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly target: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  readonly eventPhase: number;
  readonly timeStamp: number;
  readonly isTrusted: boolean;
  readonly defaultPrevented: boolean;
  cancelBubble: boolean;
  composedPath(): EventTarget[];
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}
declare class CustomEvent<Detail = any> extends Event {
  constructor(type: string, init?: EventInit & { detail?: Detail });
  readonly detail: Detail;
}
declare class MessageEvent<Data = any> extends Event {
  constructor(type: string, init?: EventInit & { data?: Data; origin?: string; lastEventId?: string });
  readonly data: Data;
  readonly origin: string;
  readonly lastEventId: string;
}
declare class ErrorEvent extends Event {
  constructor(type: string, init?: EventInit & { message?: string; filename?: string; lineno?: number; colno?: number; error?: any });
  readonly message: string;
  readonly filename: string;
  readonly lineno: number;
  readonly colno: number;
  readonly error: any;
}
declare class PromiseRejectionEvent extends Event {
  constructor(type: string, init: EventInit & { promise: Promise<any>; reason?: any });
  readonly promise: Promise<any>;
  readonly reason: any;
}
type EventListenerOrObject<Kind extends Event = any> = ((event: Kind) => void) | { handleEvent(event: Kind): void };
interface EventListenerOptions { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal }
declare class EventTarget {
  addEventListener(type: string, listener: EventListenerOrObject | null, options?: EventListenerOptions | boolean): void;
  removeEventListener(type: string, listener: EventListenerOrObject | null, options?: { capture?: boolean } | boolean): void;
  dispatchEvent(event: Event): boolean;
}
declare function addEventListener(type: "error", listener: EventListenerOrObject<ErrorEvent>, options?: EventListenerOptions | boolean): void;
declare function addEventListener(type: "unhandledrejection", listener: EventListenerOrObject<PromiseRejectionEvent>, options?: EventListenerOptions | boolean): void;
declare function addEventListener(type: string, listener: EventListenerOrObject, options?: EventListenerOptions | boolean): void;
declare function removeEventListener(type: string, listener: EventListenerOrObject, options?: { capture?: boolean } | boolean): void;
declare function dispatchEvent(event: Event): boolean;
declare function reportError(error: any): void;
declare var onerror: ((event: ErrorEvent) => void) | null;
declare var onunhandledrejection: ((event: PromiseRejectionEvent) => void) | null;

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly name: string;
  readonly message: string;
  readonly code: number;
  static readonly ABORT_ERR: 20;
  static readonly TIMEOUT_ERR: 23;
  static readonly DATA_CLONE_ERR: 25;
}

declare class AbortSignal extends EventTarget {
  private constructor();
  static abort(reason?: any): AbortSignal;
  static timeout(milliseconds: number): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
}
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}

// URLs

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static parse(url: string | URL, base?: string | URL): URL | null;
  static canParse(url: string | URL, base?: string | URL): boolean;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  hash: string;
  readonly searchParams: URLSearchParams;
  toString(): string;
  toJSON(): string;
}
declare class URLSearchParams implements Iterable<[string, string]> {
  constructor(init?: string | Iterable<readonly [string, string]> | readonly (readonly string[])[] | Record<string, string> | URLSearchParams);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArgument?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  toString(): string;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
interface URLPatternComponentResult { input: string; groups: Record<string, string | undefined> }
interface URLPatternResult {
  inputs: (string | Record<string, string>)[];
  protocol: URLPatternComponentResult;
  username: URLPatternComponentResult;
  password: URLPatternComponentResult;
  hostname: URLPatternComponentResult;
  port: URLPatternComponentResult;
  pathname: URLPatternComponentResult;
  search: URLPatternComponentResult;
  hash: URLPatternComponentResult;
}
declare class URLPattern {
  constructor(input?: string | Record<string, string>, base?: string, options?: { ignoreCase?: boolean });
  test(input?: string | Record<string, string>, base?: string): boolean;
  exec(input?: string | Record<string, string>, base?: string): URLPatternResult | null;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  readonly hash: string;
}

// Text

declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
/** Encodings: utf-8, utf-16le, windows-1252 (latin1), with all their labels. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: BufferSource, options?: { stream?: boolean }): string;
}
declare class TextEncoderStream {
  readonly encoding: "utf-8";
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<string>;
}
declare class TextDecoderStream {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  readonly readable: ReadableStream<string>;
  readonly writable: WritableStream<BufferSource>;
}

// Streams

interface QueuingStrategy<Chunk = any> { highWaterMark?: number; size?(chunk: Chunk): number }
interface UnderlyingSource<Chunk = any> {
  type?: undefined;
  start?(controller: ReadableStreamDefaultController<Chunk>): any;
  pull?(controller: ReadableStreamDefaultController<Chunk>): void | Promise<void>;
  cancel?(reason?: any): void | Promise<void>;
}
interface UnderlyingByteSource {
  type: "bytes";
  autoAllocateChunkSize?: number;
  start?(controller: ReadableByteStreamController): any;
  pull?(controller: ReadableByteStreamController): void | Promise<void>;
  cancel?(reason?: any): void | Promise<void>;
}
interface UnderlyingSink<Chunk = any> {
  start?(controller: WritableStreamDefaultController): any;
  write?(chunk: Chunk, controller: WritableStreamDefaultController): void | Promise<void>;
  close?(): void | Promise<void>;
  abort?(reason?: any): void | Promise<void>;
}
interface Transformer<Input = any, Output = any> {
  start?(controller: TransformStreamDefaultController<Output>): any;
  transform?(chunk: Input, controller: TransformStreamDefaultController<Output>): void | Promise<void>;
  flush?(controller: TransformStreamDefaultController<Output>): void | Promise<void>;
  cancel?(reason?: any): void | Promise<void>;
}
interface StreamPipeOptions { preventAbort?: boolean; preventCancel?: boolean; preventClose?: boolean; signal?: AbortSignal }
type ReadResult<Chunk> = { done: false; value: Chunk } | { done: true; value: Chunk | undefined };
declare class ReadableStream<Chunk = any> implements AsyncIterable<Chunk> {
  constructor(source: UnderlyingByteSource, strategy?: { highWaterMark?: number });
  constructor(source?: UnderlyingSource<Chunk>, strategy?: QueuingStrategy<Chunk>);
  static from<Chunk>(iterable: Iterable<Chunk | Promise<Chunk>> | AsyncIterable<Chunk>): ReadableStream<Chunk>;
  readonly locked: boolean;
  cancel(reason?: any): Promise<void>;
  getReader(options: { mode: "byob" }): ReadableStreamBYOBReader;
  getReader(options?: { mode?: undefined }): ReadableStreamDefaultReader<Chunk>;
  pipeThrough<Output>(pair: { readable: ReadableStream<Output>; writable: WritableStream<any> }, options?: StreamPipeOptions): ReadableStream<Output>;
  pipeTo(destination: WritableStream<any>, options?: StreamPipeOptions): Promise<void>;
  tee(): [ReadableStream<Chunk>, ReadableStream<Chunk>];
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<Chunk>;
  [Symbol.asyncIterator](options?: { preventCancel?: boolean }): AsyncIterableIterator<Chunk>;
}
declare class ReadableStreamDefaultReader<Chunk = any> {
  constructor(stream: ReadableStream<Chunk>);
  readonly closed: Promise<void>;
  read(): Promise<ReadResult<Chunk>>;
  releaseLock(): void;
  cancel(reason?: any): Promise<void>;
}
declare class ReadableStreamBYOBReader {
  constructor(stream: ReadableStream);
  readonly closed: Promise<void>;
  read<View extends ArrayBufferView>(view: View): Promise<ReadResult<View>>;
  releaseLock(): void;
  cancel(reason?: any): Promise<void>;
}
declare class ReadableStreamBYOBRequest {
  private constructor();
  readonly view: ArrayBufferView | null;
  respond(bytesWritten: number): void;
  respondWithNewView(view: ArrayBufferView): void;
}
declare class ReadableStreamDefaultController<Chunk = any> {
  private constructor();
  readonly desiredSize: number | null;
  enqueue(chunk?: Chunk): void;
  close(): void;
  error(reason?: any): void;
}
declare class ReadableByteStreamController {
  private constructor();
  readonly byobRequest: ReadableStreamBYOBRequest | null;
  readonly desiredSize: number | null;
  enqueue(chunk: ArrayBufferView): void;
  close(): void;
  error(reason?: any): void;
}
declare class WritableStream<Chunk = any> {
  constructor(sink?: UnderlyingSink<Chunk>, strategy?: QueuingStrategy<Chunk>);
  readonly locked: boolean;
  abort(reason?: any): Promise<void>;
  close(): Promise<void>;
  getWriter(): WritableStreamDefaultWriter<Chunk>;
}
declare class WritableStreamDefaultWriter<Chunk = any> {
  constructor(stream: WritableStream<Chunk>);
  readonly closed: Promise<void>;
  readonly ready: Promise<void>;
  readonly desiredSize: number | null;
  write(chunk?: Chunk): Promise<void>;
  close(): Promise<void>;
  abort(reason?: any): Promise<void>;
  releaseLock(): void;
}
declare class WritableStreamDefaultController {
  private constructor();
  readonly signal: AbortSignal;
  error(reason?: any): void;
}
declare class TransformStream<Input = any, Output = any> {
  constructor(transformer?: Transformer<Input, Output>, writable?: QueuingStrategy<Input>, readable?: QueuingStrategy<Output>);
  readonly readable: ReadableStream<Output>;
  readonly writable: WritableStream<Input>;
}
declare class TransformStreamDefaultController<Output = any> {
  private constructor();
  readonly desiredSize: number | null;
  enqueue(chunk?: Output): void;
  error(reason?: any): void;
  terminate(): void;
}
declare class CountQueuingStrategy {
  constructor(init: { highWaterMark: number });
  readonly highWaterMark: number;
  readonly size: () => 1;
}
declare class ByteLengthQueuingStrategy {
  constructor(init: { highWaterMark: number });
  readonly highWaterMark: number;
  readonly size: (chunk: ArrayBufferView) => number;
}

// Files and forms

type BlobPart = BufferSource | Blob | string;
declare class Blob {
  constructor(parts?: Iterable<BlobPart>, options?: { type?: string; endings?: "transparent" | "native" });
  readonly size: number;
  readonly type: string;
  slice(start?: number, end?: number, type?: string): Blob;
  stream(): ReadableStream<Uint8Array>;
  text(): Promise<string>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}
declare class File extends Blob {
  constructor(parts: Iterable<BlobPart>, name: string, options?: { type?: string; lastModified?: number; endings?: "transparent" | "native" });
  readonly name: string;
  readonly lastModified: number;
}
type FormDataValue = File | string;
declare class FormData implements Iterable<[string, FormDataValue]> {
  constructor();
  append(name: string, value: string): void;
  append(name: string, value: Blob, filename?: string): void;
  set(name: string, value: string): void;
  set(name: string, value: Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): FormDataValue | null;
  getAll(name: string): FormDataValue[];
  has(name: string): boolean;
  forEach(callback: (value: FormDataValue, name: string, form: FormData) => void, thisArgument?: any): void;
  entries(): IterableIterator<[string, FormDataValue]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<FormDataValue>;
  [Symbol.iterator](): IterableIterator<[string, FormDataValue]>;
}

// Fetch

type HeadersInit = Headers | Iterable<readonly [string, string]> | readonly (readonly string[])[] | Record<string, string>;
type BodyInit = string | BufferSource | Blob | FormData | URLSearchParams | ReadableStream | AsyncIterable<string | Uint8Array>;
declare class Headers implements Iterable<[string, string]> {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArgument?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
interface Body {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly bodyUsed: boolean;
  text(): Promise<string>;
  json<Value = any>(): Promise<Value>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  formData(): Promise<FormData>;
}
interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: "follow" | "error" | "manual";
  signal?: AbortSignal | null;
  duplex?: "half";
}
interface Request extends Body {}
/** A URL such as `/x` means a route of the script's own deployment. */
declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: "follow" | "error" | "manual";
  readonly signal: AbortSignal;
  clone(): Request;
}
interface ResponseInit { status?: number; statusText?: string; headers?: HeadersInit }
interface Response extends Body {}
declare class Response {
  constructor(body?: BodyInit | null, init?: ResponseInit);
  static json(value: unknown, init?: ResponseInit): Response;
  static error(): Response;
  static redirect(url: string | URL, status?: number): Response;
  readonly type: "basic" | "default" | "error";
  readonly url: string;
  readonly redirected: boolean;
  readonly status: number;
  readonly ok: boolean;
  readonly statusText: string;
  readonly headers: Headers;
  clone(): Response;
}
/**
 * A relative URL is a route of the own deployment and never leaves the server. A
 * failure is a TypeError whose `cause.code` says why, such as `ECONNREFUSED`.
 */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

// Cryptography

type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
type HashAlgorithm = HashName | (string & {}) | { name: string };
type HmacAlgorithm = { name: string; hash: HashAlgorithm; length?: number };
interface JsonWebKey { kty: string; k?: string; alg?: string; key_ops?: string[]; ext?: boolean }
declare class CryptoKey {
  private constructor();
  readonly type: "secret";
  readonly extractable: boolean;
  readonly algorithm: { name: "HMAC"; hash: { name: HashName }; length: number };
  readonly usages: ("sign" | "verify")[];
}
declare class SubtleCrypto {
  private constructor();
  digest(algorithm: HashAlgorithm, data: BufferSource): Promise<ArrayBuffer>;
  importKey(format: "raw", key: BufferSource, algorithm: HmacAlgorithm, extractable: boolean, usages: readonly string[]): Promise<CryptoKey>;
  importKey(format: "jwk", key: JsonWebKey, algorithm: HmacAlgorithm, extractable: boolean, usages: readonly string[]): Promise<CryptoKey>;
  generateKey(algorithm: HmacAlgorithm, extractable: boolean, usages: readonly string[]): Promise<CryptoKey>;
  exportKey(format: "raw", key: CryptoKey): Promise<ArrayBuffer>;
  exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
  sign(algorithm: string | { name: string }, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  verify(algorithm: string | { name: string }, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
}
declare class Crypto {
  private constructor();
  readonly subtle: SubtleCrypto;
  getRandomValues<View extends ArrayBufferView>(array: View): View;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare const crypto: Crypto;

// A language model, for scripts that say `// @ai true`

interface LanguageModel { readonly provider: string; readonly modelId: string | null }
interface ModelMessage { role: "system" | "user" | "assistant"; content: string | { type: "text"; text: string }[] }
interface ModelOptions {
  /** `model`, or a name; default: `@ai-model`, else the server's. */
  model?: LanguageModel | string;
  system?: string;
  prompt?: string;
  messages?: ModelMessage[];
  temperature?: number;
  maxTokens?: number;
  maxOutputTokens?: number;
  abortSignal?: AbortSignal;
}
interface ModelUsage {
  promptTokens: number; completionTokens: number; totalTokens: number;
  inputTokens: number; outputTokens: number;
}
type FinishReason = "stop" | "length" | "content-filter" | "tool-calls" | "other";
interface ModelResult { usage: ModelUsage; finishReason: FinishReason; response: { id: string; modelId: string } }
/** Whoever asks for `text` or another promise need not read `textStream`; without them, to break off reading ends the request. */
interface TextStream {
  textStream: AsyncIterable<string>;
  text: Promise<string>;
  usage: Promise<ModelUsage>;
  finishReason: Promise<FinishReason>;
  response: Promise<{ id: string; modelId: string }>;
}
/** An error is an `AiError` whose `code` says why (`AI_NOT_CONFIGURED`, `AI_LIMIT_…`, `AI_PROVIDER_…`) and whose `retryAfter` says when to try again, in seconds. */
declare const model: LanguageModel;
declare function generateText(options: ModelOptions): Promise<ModelResult & { text: string }>;
declare function streamText(options: ModelOptions): TextStream;
/** JSON that fits the schema (JSON Schema). */
declare function generateObject<Value = any>(options: ModelOptions & { schema?: object }): Promise<ModelResult & { object: Value }>;
/** The same, with `<script>.system.md` or `_system.md` as the default system prompt. */
declare const ai: {
  generate(prompt: string | ModelOptions): Promise<ModelResult & { text: string }>;
  stream(prompt: string | ModelOptions): TextStream;
  object<Value = any>(options: ModelOptions & { schema?: object }): Promise<ModelResult & { object: Value }>;
};

// Code that nobody has read

declare const isolate: {
  /**
   * Runs a handler, or the body of one, in a fresh instance that has only what is
   * passed. Data is copied; `req` and `res` are the script's own, and what the code
   * does to `res` comes back; of functions only `fetch` and `console` pass. It uses
   * the script's own fuel, memory and time. An error, a hit limit or a status of 500
   * and more is an `IsolateError` with a `code`.
   */
  eval<Value = any>(code: string, passed?: Record<string, unknown>): Promise<Value>;
};

// Files of the deployment

interface FileStat { size: number; modified: Date; isFile: boolean; isDirectory: boolean }
/** Paths are `scripts/1/api/x.ts` or relative to the deployment. An error is an `FsError` with a `code`. */
declare const fs: {
  exists(path: string): Promise<boolean>;
  read(path: string): Promise<string>;
  /**
   * A script answers requests when the promise resolves; one that does not compile
   * is not written. `{ draft }` where a person must approve it first.
   */
  write(path: string, text: string | Uint8Array, options?: { ifNotExists?: boolean; overwrite?: boolean }): Promise<{ draft: string } | undefined>;
  append(path: string, text: string | Uint8Array): Promise<void>;
  list(path?: string): Promise<(FileStat & { name: string })[]>;
  stat(path: string): Promise<FileStat>;
  delete(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
};
