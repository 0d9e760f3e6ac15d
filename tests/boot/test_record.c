/* record: the bytes of the boot record, whole whatever happens. */
#include "tests/test.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/record.h"

static char dir[] = "/tmp/test_record.XXXXXX";
static int dir_fd = -1;

static struct boot_record sample(void)
{
	struct boot_record r;

	boot_record_init(&r);
	r.seq = 0x1122334455667788;
	r.mode = BOOT_TRIAL;
	r.rung = RUNG_TRIAL;
	r.tries_left = 1;
	r.flags = BOOT_FLAG_OK;
	r.high_water = 110;
	r.attempt = 7;
	for (int i = 0; i < BOOT_ID_LEN; i++)
		r.boot_id[i] = (uint8_t)(0xa0 + i);
	for (int rung = 0; rung < BOOT_DIGESTS; rung++)
		memset(r.digest[rung], 0x11 * (rung + 1), BOOT_DIGEST_LEN);
	return r;
}

/* Compared through their bytes, as padding differs. */
static void assert_same(const struct boot_record *a, const struct boot_record *b)
{
	uint8_t in_a[BOOT_RECORD_BYTES], in_b[BOOT_RECORD_BYTES];

	boot_record_encode(in_a, a);
	boot_record_encode(in_b, b);
	assert_memory_equal(in_a, in_b, BOOT_RECORD_BYTES);
}

static void the_bytes_are_those_of_the_design(void **state)
{
	static const uint8_t head[64] = {
		'R', 'H', 'B', 'O', 'O', 'T', '1', 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
		1, 0, 1, 2, 2, 3, 3, 3, 110, 0, 0, 0, 0, 0, 0, 0,
		0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad,
		0xae, 0xaf, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	/* zlib.crc32 of the first 508 bytes, computed elsewhere. */
	static const uint8_t crc[4] = { 0x56, 0xb6, 0xe1, 0x48 };
	struct boot_record r = sample(), back;
	uint8_t bytes[BOOT_RECORD_BYTES];

	(void)state;
	boot_record_encode(bytes, &r);
	assert_memory_equal(bytes, head, sizeof head);
	for (int i = 64; i < 192; i++)
		assert_int_equal(bytes[i], 0x11 * ((i - 64) / 32 + 1));
	for (int i = 192; i < 508; i++)
		assert_int_equal(bytes[i], 0);
	assert_memory_equal(bytes + 508, crc, 4);
	assert_true(boot_record_decode(&back, bytes));
	assert_same(&r, &back);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct boot_record r = sample(), out, untouched;
	uint8_t bytes[BOOT_RECORD_BYTES];

	(void)state;
	memset(&out, 0x5a, sizeof out);
	memset(&untouched, 0x5a, sizeof untouched);
	boot_record_encode(bytes, &r);
	for (size_t i = 0; i < sizeof bytes; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_false(boot_record_decode(&out, bytes));
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	assert_memory_equal(&out, &untouched, sizeof out);
}

static void every_other_value_of_a_byte_is_noticed(void **state)
{
	struct boot_record r = sample(), out;
	uint8_t bytes[BOOT_RECORD_BYTES];

	(void)state;
	boot_record_encode(bytes, &r);
	for (size_t i = 0; i < sizeof bytes; i++) {
		uint8_t right = bytes[i];

		for (int v = 0; v < 256; v++) {
			bytes[i] = (uint8_t)v;
			assert_int_equal(boot_record_decode(&out, bytes), v == right);
		}
		bytes[i] = right;
	}
}

static void a_mode_or_rung_that_does_not_exist_is_refused(void **state)
{
	struct boot_record r = sample(), out;
	uint8_t bytes[BOOT_RECORD_BYTES];

	(void)state;
	r.mode = BOOT_MODES;
	boot_record_encode(bytes, &r);
	assert_false(boot_record_decode(&out, bytes));
	r = sample();
	r.rung = BOOT_RUNGS;
	boot_record_encode(bytes, &r);
	assert_false(boot_record_decode(&out, bytes));
}

static void the_higher_valid_record_counts(void **state)
{
	struct boot_record r = sample(), out;
	uint8_t low[BOOT_RECORD_BYTES], high[BOOT_RECORD_BYTES], bad[BOOT_RECORD_BYTES] = { 0 };

	(void)state;
	r.seq = 8;
	boot_record_encode(low, &r);
	r.seq = 9;
	boot_record_encode(high, &r);
	assert_int_equal(boot_record_pick(&out, low, high), 1);
	assert_int_equal(out.seq, 9);
	assert_int_equal(boot_record_pick(&out, high, low), 0);
	assert_int_equal(out.seq, 9);
	assert_int_equal(boot_record_pick(&out, low, bad), 0);
	assert_int_equal(boot_record_pick(&out, bad, low), 1);
	assert_int_equal(boot_record_pick(&out, bad, bad), -1);
}

/* ---- on disk ---- */

static void put_file(const uint8_t bytes[BOOT_FILE_BYTES], size_t len)
{
	int fd = openat(dir_fd, BOOT_FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void get_file(uint8_t bytes[BOOT_FILE_BYTES])
{
	int fd = openat(dir_fd, BOOT_FILE_NAME, O_RDONLY);

	assert_int_equal(read(fd, bytes, BOOT_FILE_BYTES), BOOT_FILE_BYTES);
	assert_int_equal(read(fd, bytes, 1) + 0, 0);
	close(fd);
}

static void writes_alternate_and_raise_the_sequence(void **state)
{
	struct boot_record r = sample(), out;
	uint8_t before[BOOT_FILE_BYTES], after[BOOT_FILE_BYTES];
	struct boot_report why;

	(void)state;
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_MISSING);
	r.seq = 0;
	assert_int_equal(boot_record_write(&r, dir_fd, &why), 0);
	assert_int_equal(r.seq, 1);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_OK);
	assert_same(&r, &out);
	for (int i = 2; i < 10; i++) {
		bool in_b = i % 2 == 0;

		get_file(before);
		assert_int_equal(boot_record_write(&r, dir_fd, &why), 0);
		assert_int_equal(r.seq, i);
		get_file(after);
		/* The place that counted is not touched. */
		assert_memory_equal(before + (in_b ? 0 : BOOT_PLACE_BYTES),
				    after + (in_b ? 0 : BOOT_PLACE_BYTES), BOOT_PLACE_BYTES);
		assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_OK);
		assert_same(&r, &out);
	}
}

static void a_write_torn_at_any_byte_leaves_the_old_record_or_the_new(void **state)
{
	struct boot_record old = sample(), new, out;
	uint8_t before[BOOT_FILE_BYTES], after[BOOT_FILE_BYTES], torn[BOOT_FILE_BYTES];
	struct boot_report why;

	(void)state;
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	old.seq = 0;
	assert_int_equal(boot_record_write(&old, dir_fd, &why), 0);
	get_file(before);
	new = old;
	new.high_water = 111;
	memset(new.digest, 0xee, sizeof new.digest);
	assert_int_equal(boot_record_write(&new, dir_fd, &why), 0);
	get_file(after);
	for (size_t cut = 0; cut <= BOOT_RECORD_BYTES; cut++) {
		enum boot_read got;

		memcpy(torn, before, sizeof torn);
		memcpy(torn + BOOT_PLACE_BYTES, after + BOOT_PLACE_BYTES, cut);
		put_file(torn, sizeof torn);
		got = boot_record_read(&out, dir_fd, &why);
		assert_true(got == BOOT_READ_OK || got == BOOT_READ_ONE);
		assert_same(&out, out.seq == new.seq ? &new : &old);
		/* And the next write heals. */
		assert_int_equal(boot_record_write(&out, dir_fd, &why), 0);
		assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_OK);
	}
}

static void a_sector_of_garbage_is_reported_and_healed(void **state)
{
	struct boot_record r = sample(), out;
	uint8_t file[BOOT_FILE_BYTES];
	struct boot_report why = { "" };

	(void)state;
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	r.seq = 4;
	assert_int_equal(boot_record_write(&r, dir_fd, &why), 0);
	get_file(file);
	memset(file, 0xff, 512);
	put_file(file, sizeof file);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_ONE);
	assert_non_null(strstr(why.text, "damaged in one place"));
	assert_same(&out, &r);
	memset(file + BOOT_PLACE_BYTES, 0xff, 512);
	put_file(file, sizeof file);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_DAMAGED);
	assert_non_null(strstr(why.text, "damaged in both places"));
	assert_int_equal(boot_record_write(&r, dir_fd, &why), 0);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_ONE);
	assert_same(&out, &r);
}

static void a_short_empty_or_strange_file_is_no_record(void **state)
{
	uint8_t file[BOOT_FILE_BYTES] = { 0 };
	struct boot_record r = sample(), out;
	struct boot_report why;

	(void)state;
	for (size_t len = 0; len <= sizeof file; len += 512) {
		put_file(file, len);
		assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_DAMAGED);
	}
	put_file(file, 3);
	assert_int_equal(boot_record_write(&r, dir_fd, &why), 0);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_ONE);
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	assert_int_equal(mkdirat(dir_fd, BOOT_FILE_NAME, 0700), 0);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_FAILED);
	assert_int_equal(boot_record_write(&r, dir_fd, &why), -1);
	unlinkat(dir_fd, BOOT_FILE_NAME, AT_REMOVEDIR);
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, BOOT_FILE_NAME), 0);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_FAILED);
	assert_int_equal(boot_record_write(&r, dir_fd, &why), -1);
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
}

static void somebody_elses_later_record_is_never_overwritten(void **state)
{
	struct boot_record mine = sample(), theirs, out;
	struct boot_report why;

	(void)state;
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	mine.seq = 0;
	assert_int_equal(boot_record_write(&mine, dir_fd, &why), 0);
	theirs = mine;
	theirs.high_water = 500;
	assert_int_equal(boot_record_write(&theirs, dir_fd, &why), 0);
	assert_int_equal(boot_record_write(&mine, dir_fd, &why), -1);
	assert_non_null(strstr(why.text, "changed by somebody else"));
	assert_int_equal(mine.seq, 1);
	assert_int_equal(boot_record_read(&out, dir_fd, &why), BOOT_READ_OK);
	assert_same(&out, &theirs);
}

/* The blocks of the file exist already, so a full disk cannot stop a count. */
static void a_full_disk_still_counts_boots(void **state)
{
	char path[64];
	struct boot_record r = sample(), out;
	struct boot_report why;
	char fill[4096] = { 1 };
	int full, fd;

	(void)state;
	snprintf(path, sizeof path, "%s/full", dir);
	mkdir(path, 0700);
	if (mount("tmpfs", path, "tmpfs", 0, "size=64k") < 0)
		skip_named("no right to mount a small tmpfs");
	full = open(path, O_RDONLY | O_DIRECTORY);
	r.seq = 0;
	assert_int_equal(boot_record_write(&r, full, &why), 0);
	fd = openat(full, "filler", O_WRONLY | O_CREAT, 0600);
	while (write(fd, fill, sizeof fill) > 0)
		;
	close(fd);
	for (int i = 2; i < 6; i++) {
		assert_int_equal(boot_record_write(&r, full, &why), 0);
		assert_int_equal(boot_record_read(&out, full, &why), BOOT_READ_OK);
		assert_int_equal(out.seq, i);
	}
	unlinkat(full, BOOT_FILE_NAME, 0);
	fd = openat(full, "filler2", O_WRONLY | O_CREAT, 0600);
	while (fd >= 0 && write(fd, fill, sizeof fill) > 0)
		;
	close(fd);
	/* A new record needs room: refused, with nothing half made left. */
	assert_int_equal(boot_record_write(&r, full, &why), -1);
	assert_int_equal(boot_record_read(&out, full, &why), BOOT_READ_MISSING);
	close(full);
	umount(path);
	rmdir(path);
}

static void digests_have_one_text(void **state)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	char hex[BOOT_DIGEST_HEX_LEN + 1];
	struct boot_record r = sample();

	(void)state;
	boot_digest_hex(hex, r.digest[2]);
	assert_int_equal(strlen(hex), BOOT_DIGEST_HEX_LEN);
	assert_true(boot_digest_parse(digest, hex, BOOT_DIGEST_HEX_LEN));
	assert_true(boot_digest_equal(digest, r.digest[2]));
	assert_false(boot_digest_parse(digest, hex, BOOT_DIGEST_HEX_LEN - 1));
	hex[5] = 'A';
	assert_false(boot_digest_parse(digest, hex, BOOT_DIGEST_HEX_LEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_are_those_of_the_design),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(every_other_value_of_a_byte_is_noticed),
		cmocka_unit_test(a_mode_or_rung_that_does_not_exist_is_refused),
		cmocka_unit_test(the_higher_valid_record_counts),
		cmocka_unit_test(writes_alternate_and_raise_the_sequence),
		cmocka_unit_test(a_write_torn_at_any_byte_leaves_the_old_record_or_the_new),
		cmocka_unit_test(a_sector_of_garbage_is_reported_and_healed),
		cmocka_unit_test(a_short_empty_or_strange_file_is_no_record),
		cmocka_unit_test(somebody_elses_later_record_is_never_overwritten),
		cmocka_unit_test(a_full_disk_still_counts_boots),
		cmocka_unit_test(digests_have_one_text),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlinkat(dir_fd, BOOT_FILE_NAME, 0);
	rmdir(dir);
	return failed;
}
