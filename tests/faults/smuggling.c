/* smuggling: requests whose end two readers may see in different places. */
#include "smuggling.h"

#include "base/defs.h"
#include "tests/server/fixture.h"

/* An address that takes a body, from somebody who may send one. */
#define UPLOAD                                                                                                              \
	"PUT /v1/uploads/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 HTTP/1.1\r\nHost: h\r\n" \
	"Authorization: Bearer " FIXTURE_TOKEN "\r\n"
#define GET "GET /healthz HTTP/1.1\r\n"
#define TE "Transfer-Encoding: chunked\r\n"
#define END "0\r\n\r\n"
#define HELLO "5\r\nhello\r\n" END

#define ROW(status, what, text) { what, text, sizeof text - 1, status }

const struct smuggled smuggled[] = {
	/* ---- both lengths ---- */
	ROW(400, "CL.TE", UPLOAD "Content-Length: 5\r\n" TE "\r\n" END),
	ROW(400, "TE.CL", UPLOAD TE "Content-Length: 4\r\n\r\n5c\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n" END),
	ROW(400, "CL.0 with chunks", UPLOAD "Content-Length: 0\r\n" TE "\r\n" HELLO),
	ROW(400, "CL.TE in HTTP/1.0", "PUT /v1/uploads/x HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n" TE "\r\n" END),

	/* ---- two transfer codings, or one in disguise ---- */
	ROW(400, "TE.TE identity last", UPLOAD TE "Transfer-Encoding: identity\r\n\r\n" HELLO),
	ROW(400, "TE.TE cow last", UPLOAD TE "Transfer-Encoding: cow\r\n\r\n" HELLO),
	ROW(501, "TE xchunked", UPLOAD "Transfer-Encoding: xchunked\r\n\r\n" HELLO),
	ROW(501, "TE identity", UPLOAD "Transfer-Encoding: identity\r\n\r\n" HELLO),
	ROW(501, "TE gzip", UPLOAD "Transfer-Encoding: gzip\r\n\r\n" HELLO),
	ROW(501, "TE empty", UPLOAD "Transfer-Encoding:\r\n\r\n" HELLO),
	ROW(400, "TE chunked, identity", UPLOAD "Transfer-Encoding: chunked, identity\r\n\r\n" HELLO),
	ROW(501, "TE with a quote", UPLOAD "Transfer-Encoding: \"chunked\"\r\n\r\n" HELLO),
	ROW(400, "TE with a blank before the colon", UPLOAD "Transfer-Encoding : chunked\r\n\r\n" HELLO),
	ROW(400, "TE with a tab before the colon", UPLOAD "Transfer-Encoding\t: chunked\r\n\r\n" HELLO),
	ROW(400, "TE folded", UPLOAD "Transfer-Encoding:\r\n chunked\r\n\r\n" HELLO),
	ROW(400, "TE behind a blank", UPLOAD " Transfer-Encoding: chunked\r\n\r\n" HELLO),
	ROW(400, "TE with a vertical tab", UPLOAD "Transfer-Encoding: \vchunked\r\n\r\n" HELLO),
	ROW(400, "TE behind a bare CR", UPLOAD "X: x\rTransfer-Encoding: chunked\r\n\r\n" HELLO),
	ROW(400, "TE behind a bare LF", UPLOAD "X: x\nTransfer-Encoding: chunked\r\n\r\n" HELLO),
	ROW(400, "TE behind a NUL", UPLOAD "X: x\0\r\nTransfer-Encoding: chunked\r\n\r\n" HELLO),
	ROW(400, "TE chunked and a NUL", UPLOAD "Transfer-Encoding: chunked\0\r\n\r\n" HELLO),
	ROW(400, "TE without a colon", UPLOAD "Transfer-Encoding chunked\r\n\r\n" HELLO),

	/* ---- lengths that are none, or two ---- */
	ROW(400, "CL twice, alike", UPLOAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
	ROW(400, "CL twice, different", UPLOAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
	ROW(400, "CL list", UPLOAD "Content-Length: 5, 5\r\n\r\nhello"),
	ROW(400, "CL plus", UPLOAD "Content-Length: +5\r\n\r\nhello"),
	ROW(400, "CL minus", UPLOAD "Content-Length: -5\r\n\r\nhello"),
	ROW(400, "CL hex", UPLOAD "Content-Length: 0x5\r\n\r\nhello"),
	ROW(400, "CL with a blank inside", UPLOAD "Content-Length: 1 0\r\n\r\nhello"),
	ROW(400, "CL with a point", UPLOAD "Content-Length: 5.0\r\n\r\nhello"),
	ROW(400, "CL empty", UPLOAD "Content-Length:\r\n\r\nhello"),
	ROW(400, "CL of 2^64", UPLOAD "Content-Length: 18446744073709551616\r\n\r\nhello"),
	ROW(400, "CL of 2^64 + 5", UPLOAD "Content-Length: 18446744073709551621\r\n\r\nhello"),
	ROW(413, "CL of 2^64 - 1", UPLOAD "Content-Length: 18446744073709551615\r\n\r\nhello"),
	ROW(400, "CL with a blank before the colon", UPLOAD "Content-Length : 5\r\n\r\nhello"),
	ROW(400, "CL folded", UPLOAD "Content-Length:\r\n 5\r\n\r\nhello"),
	ROW(400, "CL and a NUL", UPLOAD "Content-Length: 5\0\r\n\r\nhello"),
	ROW(413, "a body where none belongs", GET "Host: h\r\nContent-Length: 5\r\n\r\nhello"),
	ROW(413, "chunks where none belong", GET "Host: h\r\n" TE "\r\n" HELLO),

	/* ---- chunks ---- */
	ROW(400, "chunk of 2^64", UPLOAD TE "\r\n10000000000000000\r\nhello\r\n" END),
	ROW(400, "chunk of 2^64 + 5", UPLOAD TE "\r\n10000000000000005\r\nhello\r\n" END),
	ROW(400, "chunk minus", UPLOAD TE "\r\n-5\r\nhello\r\n" END),
	ROW(400, "chunk plus", UPLOAD TE "\r\n+5\r\nhello\r\n" END),
	ROW(400, "chunk 0x", UPLOAD TE "\r\n0x5\r\nhello\r\n" END),
	ROW(400, "chunk behind a blank", UPLOAD TE "\r\n 5\r\nhello\r\n" END),
	ROW(400, "chunk without a size", UPLOAD TE "\r\n\r\nhello\r\n" END),
	ROW(400, "chunk with a bare LF", UPLOAD TE "\r\n5\nhello\r\n" END),
	ROW(400, "chunk with a bare CR", UPLOAD TE "\r\n5\rXhello\r\n" END),
	ROW(400, "chunk longer than its size", UPLOAD TE "\r\n5\r\nhello!\r\n" END),
	ROW(400, "chunk that ends with a bare LF", UPLOAD TE "\r\n5\r\nhello\n" END),
	ROW(400, "chunk extension with a bare LF", UPLOAD TE "\r\n5;a\nb\r\nhello\r\n" END),
	ROW(400, "chunk extension with a NUL", UPLOAD TE "\r\n5;a=\0\r\nhello\r\n" END),
	ROW(400, "last chunk with a bare LF", UPLOAD TE "\r\n5\r\nhello\r\n0\n\n"),
	ROW(400, "trailer", UPLOAD TE "\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),

	/* ---- lines ---- */
	ROW(400, "bare LF everywhere", "GET /healthz HTTP/1.1\nHost: h\n\n"),
	ROW(400, "bare LF after the request line", "GET /healthz HTTP/1.1\nHost: h\r\n\r\n"),
	ROW(400, "bare LF at the end of the head", GET "Host: h\r\n\n"),
	ROW(400, "bare CR in a value", GET "Host: h\r\nX: a\rb\r\n\r\n"),
	ROW(400, "folded", GET "Host: h\r\nX: a\r\n b\r\n\r\n"),
	ROW(400, "folded with a tab", GET "Host: h\r\nX: a\r\n\tb\r\n\r\n"),
	ROW(400, "first header behind a blank", GET " Host: h\r\n\r\n"),
	ROW(400, "no name", GET "Host: h\r\n: x\r\n\r\n"),
	ROW(400, "name with a blank", GET "Host: h\r\nX Y: z\r\n\r\n"),
	ROW(400, "name with a NUL", GET "Host: h\r\nX\0Y: z\r\n\r\n"),
	ROW(400, "value with a NUL", GET "Host: h\r\nX: \0\r\n\r\n"),
	ROW(400, "name of other bytes", GET "Host: h\r\n\xc3\xa4: z\r\n\r\n"),

	/* ---- request lines and hosts ---- */
	ROW(400, "absolute form", "GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "absolute form of another", "GET http://other/healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(501, "authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(501, "asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "two blanks", "GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "tab between", "GET\t/healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "blank in the target", "GET /health z HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "NUL in the target", "GET /health\0z HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "escaped line end in the target", "GET /healthz%0d%0aX:%20y HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "fragment", "GET /healthz#x HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "no version", "GET /healthz\r\n"),
	ROW(400, "version in small letters", "GET /healthz http/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "version 1.10", "GET /healthz HTTP/1.10\r\nHost: h\r\n\r\n"),
	ROW(400, "method in small letters", "get /healthz HTTP/1.1\r\nHost: h\r\n\r\n"),
	ROW(400, "two hosts", GET "Host: h\r\nHost: other\r\n\r\n"),
	ROW(400, "no host", GET "\r\n"),
	ROW(501, "upgrade", GET "Host: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
	ROW(400, "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
};

const size_t smuggled_count = ARRAY_LEN(smuggled);
