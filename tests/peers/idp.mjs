// A real identity provider (oidc-provider) over HTTPS on loopback, and a forger who knows it well.
//   node idp.mjs DIR        DIR/tls.crt, DIR/tls.key; prints the port
// POST /token               client credentials, resource urn:ringhold:<alg>: an access token of the provider
// POST /rotate              new signing keys under new names; POST /down, /up: its keys are not to be had
// GET  /fetched             how often its keys were asked for
// GET  /invented            a token that names a key which nobody ever made
// GET  /forge/<kind>        a token that must not count; /forges lists the kinds
import { createHmac, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Provider } from "oidc-provider";

const dir = process.argv[2];
const audience = "ringhold";
let generation = 0, fetched = 0, down = false, provider, keys, issuer;

const make = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

const claims = { "team-edr": ["edr-publishers"], boss: ["ringhold-admins"], nobody: ["cooks"] };

function begin() {
  generation++;
  keys = {};
  const jwks = Object.entries(make).map(([alg, pair]) => {
    const kid = `${alg}-${generation}`;
    keys[alg] = { kid, ...pair() };
    return { ...keys[alg].privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  });
  provider = new Provider(issuer, {
    clients: Object.keys(claims).map((client_id) => ({
      client_id, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
    })),
    jwks: { keys: jwks },
    clientBasedCORS: () => false,
    extraTokenClaims: (_ctx, token) => ({ groups: claims[token.clientId] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: "api", audience, accessTokenFormat: "jwt", accessTokenTTL: 600,
          jwt: { sign: { alg: resource.split(":").pop() } },
        }),
      },
    },
  }).callback();
}

// ---- the forger: has the provider's keys where a kind needs them, and keys of its own ----

const b64 = (v) => Buffer.from(typeof v === "string" ? v : JSON.stringify(v)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);
const good = () => ({
  iss: issuer, sub: "boss", aud: audience, iat: now(), exp: now() + 600, client_id: "boss", jti: "1", groups: ["ringhold-admins"],
});

function raw(alg, key, input) {
  if (alg === "EdDSA") return sign(null, Buffer.from(input), key);
  return sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
}

function token({ alg = "RS256", header = {}, payload = {}, drop = [], key, signature, body } = {}) {
  const h = { alg, typ: "at+jwt", kid: keys[alg]?.kid ?? keys.RS256.kid, ...header };
  const p = { ...good(), ...payload };
  for (const name of drop) { delete p[name]; delete h[name]; }
  const input = `${b64(h)}.${body ?? b64(p)}`;
  const s = signature ? signature(input) : raw(alg, key ?? keys[alg].privateKey, input);
  return `${input}.${Buffer.from(s).toString("base64url")}`;
}

const rsaPublic = () => createPublicKey(keys.RS256.privateKey).export({ type: "spki", format: "pem" });
const own = { RS256: make.RS256(), ES256: make.ES256(), EdDSA: make.EdDSA() };

const forges = {
  "none": () => token({ header: { alg: "none" }, signature: () => "" }),
  "none-with-a-signature": () => token({ header: { alg: "none" } }),
  "none-written-otherwise": () => token({ header: { alg: "nOnE" }, signature: () => "" }),
  "hmac-with-the-public-key": () => token({ header: { alg: "HS256" }, signature: (i) => createHmac("sha256", rsaPublic()).update(i).digest() }),
  "another-rsa-key": () => token({ key: own.RS256.privateKey }),
  "another-ec-key": () => token({ alg: "ES256", key: own.ES256.privateKey }),
  "another-ed25519-key": () => token({ alg: "EdDSA", key: own.EdDSA.privateKey }),
  "a-key-in-the-header": () => token({ key: own.RS256.privateKey, header: { jwk: createPublicKey(own.RS256.privateKey).export({ format: "jwk" }) } }),
  "a-url-in-the-header": () => token({ key: own.RS256.privateKey, header: { jku: "https://127.0.0.1:1/keys", x5u: "https://127.0.0.1:1/x" } }),
  "an-ec-key-as-rs256": () => token({ header: { kid: keys.ES256.kid } }),
  "an-rsa-key-as-es256": () => token({ alg: "ES256", header: { kid: keys.RS256.kid } }),
  "ps256": () => token({ header: { alg: "PS256" }, signature: (i) => sign("sha256", Buffer.from(i), { key: keys.RS256.privateKey, padding: 6, saltLength: 32 }) }),
  "es256-as-der": () => token({ alg: "ES256", signature: (i) => sign("sha256", Buffer.from(i), keys.ES256.privateKey) }),
  "es256-of-zeros": () => token({ alg: "ES256", signature: () => Buffer.alloc(64) }),
  "ed25519-of-zeros": () => token({ alg: "EdDSA", signature: () => Buffer.alloc(64) }),
  "empty-signature": () => token({ signature: () => "" }),
  "another-issuer": () => token({ payload: { iss: "https://evil.example" } }),
  "an-issuer-with-a-slash-more": () => token({ payload: { iss: `${issuer}/` } }),
  "another-audience": () => token({ payload: { aud: "payroll" } }),
  "audiences-without-us": () => token({ payload: { aud: ["payroll", "ringhold2"] } }),
  "no-audience": () => token({ drop: ["aud"] }),
  "expired": () => token({ payload: { iat: now() - 7200, exp: now() - 3600 } }),
  "expires-as-text": () => token({ payload: { exp: String(now() + 600) } }),
  "no-expiry": () => token({ drop: ["exp"] }),
  "no-issue-date": () => token({ drop: ["iat"] }),
  "issued-tomorrow": () => token({ payload: { iat: now() + 86400, exp: now() + 90000 } }),
  "not-before-tomorrow": () => token({ payload: { nbf: now() + 86400, exp: now() + 90000 } }),
  "no-subject": () => token({ drop: ["sub"] }),
  "empty-subject": () => token({ payload: { sub: "" } }),
  "no-type": () => token({ drop: ["typ"] }),
  "a-logout-token": () => token({ header: { typ: "logout+jwt" } }),
  "a-critical-extension": () => token({ header: { crit: ["b64"], b64: true } }),
  "no-key-id": () => token({ drop: ["kid"] }),
  "claims-twice": () => token({ body: b64(`{"sub":"nobody",${JSON.stringify(good()).slice(1)}`) }),
  "claims-that-are-no-object": () => token({ body: b64("[]") }),
  "four-parts": () => `${token()}.x`,
  "padded": () => token().replace(/\.([^.]*)$/, ".$1=="),
  "other-bits-at-the-end": () => {
    const t = token({ alg: "ES256" }), digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return t.slice(0, -1) + digits[digits.indexOf(t.at(-1)) ^ 1];
  },
  "changed-after-signing": () => {
    const [h, p, s] = token({ payload: { sub: "nobody" } }).split(".");
    return `${h}.${b64({ ...JSON.parse(Buffer.from(p, "base64url")), sub: "boss" })}.${s}`;
  },
};

const server = createServer({ cert: readFileSync(`${dir}/tls.crt`), key: readFileSync(`${dir}/tls.key`) }, (req, res) => {
  const [, verb, kind] = req.url.split("/");
  const say = (text) => res.end(text);

  if (verb === "forge") return say(forges[kind]());
  if (verb === "forges") return say(Object.keys(forges).join("\n"));
  if (verb === "rotate") { begin(); return say("ok"); }
  if (verb === "down" || verb === "up") { down = verb === "down"; return say("ok"); }
  if (verb === "fetched") return say(String(fetched));
  if (verb === "invented") return say(token({ key: own.RS256.privateKey, header: { kid: "nobody-made-it" } }));
  if (verb === "good") return say(token({ alg: kind }));
  if (verb === "jwks") {
    fetched++;
    if (down) { res.statusCode = 503; return say("down"); }
  }
  return provider(req, res);
});

server.listen(0, "127.0.0.1", () => {
  issuer = `https://localhost:${server.address().port}`;
  begin();
  console.log(server.address().port);
});
