// @mode serverless
// @ai true
// @ai-model anthropic/claude-sonnet-4.5
const path = '/' + (metadata.parameters.slug ?? []).join('/');
const body = req.body ?? '';
// Already saved? Hand off to the cached route.
const saved = await fs.exists('scripts/1/api' + path + '.ts');
if (saved) return fetch(path, { method: metadata.method, body });
// Otherwise: ask for a handler, sandbox it, save it.
const { text: handler } = await generateText({
model,
system: 'Return a JS handler body. No imports. Return JSON.',
prompt: `URL ${metadata.method} ${path}\nQuery ${JSON.stringify(metadata.query)}\nBody ${JSON.stringify(body)}`,
});
const result = await isolate.eval(handler, { req, res, fetch });
await fs.write('scripts/1/api' + path + '.ts', '// @mode serverless\n' + handler);
return result;
