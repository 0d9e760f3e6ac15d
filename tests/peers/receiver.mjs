// receiver.mjs: a receiver of webhooks: standardwebhooks verifies each message, cloudevents reads it.
// Prints its port. With the names of two PEM files, a key and a certificate, it speaks TLS. POST /control takes {"secrets":[..],"mode":..}; GET /got answers what came to /hook.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { Webhook } from "standardwebhooks";
import { HTTP } from "cloudevents";

let secrets = [], mode = "ok";
const got = [];

const verified = (body, headers) => secrets.filter((secret) => {
  try { new Webhook(secret).verify(body, headers); return true; } catch { return false; }
}).length;

function read(body, headers) {
  try {
    const event = HTTP.toEvent({ headers, body });
    event.validate();
    return { event };
  } catch (e) {
    return { event: null, error: String(e) };
  }
}

const answers = {
  ok: (res) => { res.statusCode = 204; res.end(); },
  500: (res) => { res.statusCode = 500; res.end("x".repeat(1 << 20)); },
  409: (res) => { res.statusCode = 409; res.end("the change board says no"); },
  410: (res) => { res.statusCode = 410; res.end(); },
  429: (res) => { res.statusCode = 429; res.setHeader("Retry-After", "40"); res.end(); },
  redirect: (res) => { res.statusCode = 307; res.setHeader("Location", "/elsewhere"); res.end(); },
  hang: () => {},
};

const answer = (req, res) => {
  const pieces = [];

  req.on("data", (piece) => pieces.push(piece));
  req.on("end", () => {
    const body = Buffer.concat(pieces).toString("utf8");

    if (req.url === "/control") {
      const asked = JSON.parse(body);

      ({ secrets = secrets, mode = mode } = asked);
      if (asked.forget) got.length = 0;
      return res.end("ok");
    }
    if (req.url === "/got") return res.end(JSON.stringify({ items: got }));
    got.push({ url: req.url, mode, id: req.headers["webhook-id"], type: req.headers["content-type"], verified: verified(body, req.headers),
               signatures: (req.headers["webhook-signature"] ?? "").split(" ").length, ...read(body, req.headers) });
    return answers[mode](res);
  });
};

const [key, cert] = process.argv.slice(2);
const server = key ? https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer) : http.createServer(answer);

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
