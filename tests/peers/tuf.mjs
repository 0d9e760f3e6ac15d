/*
 * tuf: an independent TUF client, tuf-js, that a test holds our repositories against.
 *
 *   node tuf.mjs ROOT REPOSITORY HOME TARGET...
 *
 * Trusts the file ROOT, refreshes from REPOSITORY (a URL above metadata/ and
 * targets/, or a directory, which is then served as plain files), and downloads
 * every TARGET to HOME/targets, named by the quoted path. HOME/metadata keeps
 * what it trusts. Prints "REQUESTS n"; exit status 0 when all of it succeeded.
 */
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Updater } from 'tuf-js';

const [root, repository, home, ...targets] = process.argv.slice(2);
if (!targets.length) {
	console.error('usage: node tuf.mjs ROOT REPOSITORY HOME TARGET...');
	process.exit(2);
}

/* Nothing but files: what is not one is 404. */
function serve(dir) {
	let requests = 0;
	const server = http.createServer((request, response) => {
		const name = path.join(dir, path.normalize(decodeURIComponent(request.url)));

		requests++;
		fs.readFile(name, (error, bytes) => {
			response.writeHead(error ? 404 : 200);
			response.end(error ? '' : bytes);
		});
	});
	return new Promise((done) => server.listen(0, '127.0.0.1', () => done({
		url: `http://127.0.0.1:${server.address().port}`,
		requests: () => requests,
		close: () => server.closeAllConnections() || server.close(),
	})));
}

const files = repository.includes('://') ? null : await serve(repository);
const url = files ? files.url : repository;
const metadataDir = path.join(home, 'metadata');
const targetDir = path.join(home, 'targets');

try {
	fs.mkdirSync(metadataDir, { recursive: true });
	fs.mkdirSync(targetDir, { recursive: true });
	fs.copyFileSync(root, path.join(metadataDir, 'root.json'));
	const client = new Updater({
		metadataDir, targetDir,
		metadataBaseUrl: `${url}/metadata`, targetBaseUrl: `${url}/targets`,
		config: { fetchRetries: 0 },
	});

	await client.refresh();
	for (const target of targets) {
		const info = await client.getTargetInfo(target);

		if (!info)
			throw new Error(`${target}: no role lists it`);
		await client.downloadTarget(info);
	}
	if (files)
		console.log(`REQUESTS ${files.requests()}`);
} catch (error) {
	console.error(`tuf.mjs: ${error.name}: ${error.message}`);
	process.exitCode = 1;
} finally {
	files?.close();
}
