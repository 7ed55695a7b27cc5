// One step on the deployment's shared object for each `?do=`.

export default (req, res, metadata, shared) => {
  switch (metadata.query.do) {
    case "set": shared.list = [1]; shared.gone = true; shared.text = "t"; return Object.keys(shared).includes("list");
    case "nested": shared.list.push(2); delete shared.gone; return null;
    case "see": return { list: shared.list, gone: "gone" in shared, text: shared.text, keys: Object.keys(shared).sort(), json: JSON.stringify(shared) };
    case "bad": shared.f = () => {}; return null;
    case "throws": shared.thrown = "kept"; throw new Error("after a change");
    case "thrown": return shared.thrown ?? null;
    case "early": res.end("sent"); shared.late = metadata.query.value; return;
    case "late": return shared.late ?? null;
    case "clear": for (const key of Object.keys(shared)) delete shared[key]; return null;
  }
};
