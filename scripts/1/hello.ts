// @description The smallest route: what is returned is the JSON body
return { hello: metadata.query.name ?? "world" };
