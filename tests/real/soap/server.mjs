// A SOAP server that shares nothing with ours: npm's `soap` reads our envelopes by the contract's WSDL and writes its own.
// Usage: node server.mjs WSDL PORT. Prints {"port"} when it listens. GET /_seen gives what it read, as JSON; the header
// x-answer-charset chooses how the answer is encoded, x-answer names the answer to give.
import express from "express";
import iconv from "iconv-lite";
import { readFileSync } from "node:fs";
import * as soap from "soap";
import { answers } from "./answers.mjs";

const [wsdlPath, port] = process.argv.slice(2);
const chinese = /charset="?(gbk|gb2312|gb18030)/i;
const seen = [];

const app = express();
app.get("/_seen", (_request, response) => response.json(seen.splice(0)));
// The SOAP stack takes text: bytes become text here, and its answers become bytes again.
app.use("/ws/star", express.raw({ type: () => true }), (request, response, next) => {
  const charset = chinese.test(request.headers["content-type"] ?? "") ? "gb18030" : "utf-8";
  if (request.method === "POST") request.body = iconv.decode(request.body, charset);
  const answerCharset = request.headers["x-answer-charset"] ?? "gb18030";
  const end = response.end.bind(response);
  const written = [];
  response.write = (chunk) => (written.push(chunk), true);
  response.end = (chunk) => {
    const text = [...written, ...(chunk ? [chunk] : [])].join("");
    response.setHeader("Content-Type", `text/xml; charset=${answerCharset === "gb18030" ? "GBK" : answerCharset}`);
    return end(iconv.encode(text, answerCharset));
  };
  next();
});

const service = {
  StarTransport: {
    StarTransportPort: {
      ProcessMessage(message, _callback, headers, request) {
        const content = message.payload.content;
        const name = Object.keys(content).find((key) => key !== "attributes");
        seen.push({ name, content, headers, soapAction: request.headers.soapaction });
        const [answer, data] = answers(request.headers["x-answer"] ?? name, content[name]);
        return { payload: { content: { attributes: { id: "Content0" }, ...star({ [answer]: bod(answer, data) }) } } };
      },
    },
  },
};

// As a server this stack writes every element in the message's namespace unless its name has a prefix of its own.
function star(value) {
  if (Array.isArray(value)) return value.map(star);
  if (value === null || typeof value !== "object") return value;
  const kept = (key) => key === "attributes" || key === "$value";
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => (kept(key) ? [key, inner] : [`s:${key}`, star(inner)])),
  );
}

function bod(name, data) {
  return {
    attributes: { releaseID: "5.6.4", languageCode: "zh-CN" },
    ApplicationArea: {
      Sender: { CreatorNameCode: "DMS", DealerNumberID: "SH0217" },
      CreationDateTime: "2026-03-09T10:00:00",
      BODID: "6f1f7f0e-9c8b-4a57-8a8e-6d8f3a6f0b11",
    },
    [`${name}DataArea`]: data,
  };
}

const listener = app.listen(Number(port), "127.0.0.1", () => {
  const ready = (error) => {
    if (error) throw error;
    process.stdout.write(JSON.stringify({ port: listener.address().port }) + "\n");
  };
  const xml = readFileSync(wsdlPath, "utf8");
  soap.listen(app, { path: "/ws/star", services: service, xml, suppressStack: true, callback: ready });
});
