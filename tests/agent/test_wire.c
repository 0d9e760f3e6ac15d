/* test_wire: records survive the way, malformed ones do not. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/message.h"
#include "test.h"

static const enum message_type all[] = {
#define X(name, member, value) name,
	MESSAGE_TABLE(X)
#undef X
	0
};

static struct message_verdict sample(void)
{
	static struct message_verdict v;

	v = (struct message_verdict){ .channel = "edr", .ring = "canary", .say = SAY_INSTALL, .serial = UINT64_MAX, .attempt = 3,
				      .path = "bundles/edr/1.tar.gz", .boots = 255, .evaluated = -1, .reason = "because \"so\"" };
	memset(v.digest.bytes, 0xab, DIGEST_LEN);
	return v;
}

static struct buf *encoded(enum message_type type, const void *body)
{
	struct buf *b = buf_new(WIRE_MAX);
	struct err e;

	assert_ok(wire_encode(b, message_record(type), body, &e));
	return b;
}

static void a_record_comes_out_as_it_went_in(void **state)
{
	struct message_verdict in = sample(), out;
	AUTO(buf) struct buf *b = encoded(MSG_VERDICT, &in);
	struct err e;

	(void)state;
	assert_ok(wire_decode(&out, message_record(MSG_VERDICT), b->data, b->len, &e));
	assert_memory_equal(&in, &out, sizeof in);
}

static void every_type_has_one_record_and_decodes_what_it_encodes(void **state)
{
	static struct message zero, out;

	(void)state;
	for (size_t i = 0; all[i]; i++) {
		AUTO(buf) struct buf *b = encoded(all[i], &zero.u);
		struct err e;

		assert_ok(message_decode(&out, all, b->data, b->len, &e));
		assert_int_equal(out.type, all[i]);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(all[k], all[i]);
	}
	assert_null(message_record((enum message_type)999));
}

static void a_cut_or_lengthened_record_is_refused(void **state)
{
	struct message_verdict in = sample(), out;
	AUTO(buf) struct buf *b = encoded(MSG_VERDICT, &in);
	struct err e;

	(void)state;
	for (size_t len = 0; len < b->len; len++)
		assert_int_equal(wire_decode(&out, message_record(MSG_VERDICT), b->data, len, &e), ERR_FORMAT);
	buf_addc(b, 0);
	assert_refused(wire_decode(&out, message_record(MSG_VERDICT), b->data, b->len, &e), ERR_FORMAT, "1 bytes too many");
}

static void values_beyond_their_range_are_refused(void **state)
{
	struct message_verdict in = sample(), out;
	struct message_permit permit = { .answer = 2 }, got;
	struct err e;

	(void)state;
	in.say = SAY_COUNT;
	AUTO(buf) struct buf *b = encoded(MSG_VERDICT, &in);
	assert_int_equal(wire_decode(&out, message_record(MSG_VERDICT), b->data, b->len, &e), ERR_FORMAT);
	AUTO(buf) struct buf *c = encoded(MSG_PERMIT, &permit);
	assert_int_equal(wire_decode(&got, message_record(MSG_PERMIT), c->data, c->len, &e), ERR_FORMAT);
}

static void names_are_names_and_texts_hold_no_control_characters(void **state)
{
	struct message_want want = { .channel = "../etc" }, out;
	struct message_done done = { .text = "two\nlines\x7f" }, got;
	struct err e;

	(void)state;
	AUTO(buf) struct buf *b = encoded(MSG_WANT, &want);
	assert_int_equal(wire_decode(&out, message_record(MSG_WANT), b->data, b->len, &e), ERR_FORMAT);
	/* Our own sentences are made fit; foreign ones are refused. */
	AUTO(buf) struct buf *c = encoded(MSG_DONE, &done);
	assert_ok(wire_decode(&got, message_record(MSG_DONE), c->data, c->len, &e));
	assert_string_equal(got.text, "two lines ");
	c->data[c->len - 2] = '\n';
	assert_int_equal(wire_decode(&got, message_record(MSG_DONE), c->data, c->len, &e), ERR_FORMAT);
	c->data[c->len - 2] = 0;
	assert_int_equal(wire_decode(&got, message_record(MSG_DONE), c->data, c->len, &e), ERR_FORMAT);
}

static void a_text_without_end_is_not_sent(void **state)
{
	struct message_done done;
	AUTO(buf) struct buf *b = buf_new(WIRE_MAX);
	struct err e;

	(void)state;
	memset(&done, 'x', sizeof done);
	assert_refused(wire_encode(b, message_record(MSG_DONE), &done, &e), ERR_LIMIT, "does not fit");
}

static void bytes_are_bounded(void **state)
{
	static struct message_data in, out;
	struct err e;

	(void)state;
	in.bytes.len = WIRE_BYTES_MAX;
	memset(in.bytes.data, 7, sizeof in.bytes.data);
	AUTO(buf) struct buf *b = encoded(MSG_DATA, &in);
	assert_ok(wire_decode(&out, message_record(MSG_DATA), b->data, b->len, &e));
	assert_int_equal(out.bytes.len, WIRE_BYTES_MAX);
	b->data[2] = b->data[3] = (char)0xff;
	assert_int_equal(wire_decode(&out, message_record(MSG_DATA), b->data, b->len, &e), ERR_FORMAT);
}

static void a_type_out_of_place_is_refused(void **state)
{
	static const enum message_type only[] = { MSG_ACKED, 0 };
	static struct message out;
	struct message_done done = { .code = 0 };
	AUTO(buf) struct buf *b = encoded(MSG_DONE, &done);
	struct err e;

	(void)state;
	assert_refused(message_decode(&out, only, b->data, b->len, &e), ERR_FORMAT, "out of place");
	assert_int_equal(message_decode(&out, only, b->data, 1, &e), ERR_FORMAT);
	assert_int_equal(message_decode(&out, only, b->data, 0, &e), ERR_FORMAT);
}

/* ---- the socket ---- */

static void a_descriptor_travels_with_the_records_that_have_one_and_no_others(void **state)
{
	static const enum message_type allowed[] = { MSG_DOWNLOAD, MSG_DONE, 0 };
	static struct message_download download = { .path = "a/b" };
	static struct message m;
	struct message_done done = { .code = 0 };
	struct stat sent, got;
	int ends[2];
	struct err e;

	(void)state;
	assert_ok(wire_pair(ends, &e));
	AUTO_FD int null = open("/dev/null", O_RDONLY);
	assert_ok(message_send(ends[0], MSG_DOWNLOAD, &download, null, &e));
	assert_int_equal(message_receive(ends[1], &m, allowed, 1000, &e), 1);
	assert_true(m.fd >= 0 && m.fd != null);
	fstat(null, &sent);
	fstat(m.fd, &got);
	assert_int_equal(sent.st_rdev, got.st_rdev);
	assert_int_equal(fcntl(m.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	message_release(&m);
	assert_refused(message_send(ends[0], MSG_DONE, &done, null, &e), ERR_INTERNAL, "needless");
	assert_refused(message_send(ends[0], MSG_DOWNLOAD, &download, -1, &e), ERR_INTERNAL, "missing");
	close(ends[0]);
	close(ends[1]);
}

static void send_raw(int sock, const void *bytes, size_t len, const int *fds, size_t count)
{
	char room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec io = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), len);
}

static int open_count(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void smuggled_descriptors_are_closed(void **state)
{
	static const enum message_type allowed[] = { MSG_DONE, 0 };
	static struct message m;
	struct message_done done = { .code = 0 };
	AUTO(buf) struct buf *b = encoded(MSG_DONE, &done);
	int ends[2], before;
	struct err e;

	(void)state;
	assert_ok(wire_pair(ends, &e));
	before = open_count();
	send_raw(ends[0], b->data, b->len, (int[]){ 0, 1, 2 }, 3);
	assert_refused(message_receive(ends[1], &m, allowed, 1000, &e), ERR_FORMAT, "descriptor");
	send_raw(ends[0], "xx", 2, (int[]){ 0 }, 1);
	assert_int_equal(message_receive(ends[1], &m, allowed, 1000, &e), ERR_FORMAT);
	assert_int_equal(open_count(), before);
	close(ends[0]);
	close(ends[1]);
}

static void a_packet_that_is_too_large_is_refused_and_the_next_one_read(void **state)
{
	static const enum message_type allowed[] = { MSG_DONE, 0 };
	static char big[WIRE_MAX + 10];
	static struct message m;
	struct message_done done = { .code = -3 };
	int ends[2];
	struct err e;

	(void)state;
	assert_ok(wire_pair(ends, &e));
	assert_int_equal(send(ends[0], big, sizeof big, 0), sizeof big);
	assert_ok(message_send(ends[0], MSG_DONE, &done, -1, &e));
	assert_refused(message_receive(ends[1], &m, allowed, 1000, &e), ERR_LIMIT, "over");
	assert_int_equal(message_receive(ends[1], &m, allowed, 1000, &e), 1);
	assert_int_equal(m.u.done.code, -3);
	close(ends[0]);
	close(ends[1]);
}

static void silence_is_a_time_out_and_a_gone_peer_is_the_end(void **state)
{
	static const enum message_type allowed[] = { MSG_DONE, 0 };
	static struct message m;
	int ends[2];
	struct err e;

	(void)state;
	assert_ok(wire_pair(ends, &e));
	assert_int_equal(message_receive(ends[1], &m, allowed, 0, &e), ERR_TIMEOUT);
	close(ends[0]);
	assert_int_equal(message_receive(ends[1], &m, allowed, 0, &e), 0);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_out_as_it_went_in),
		cmocka_unit_test(every_type_has_one_record_and_decodes_what_it_encodes),
		cmocka_unit_test(a_cut_or_lengthened_record_is_refused),
		cmocka_unit_test(values_beyond_their_range_are_refused),
		cmocka_unit_test(names_are_names_and_texts_hold_no_control_characters),
		cmocka_unit_test(a_text_without_end_is_not_sent),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(a_type_out_of_place_is_refused),
		cmocka_unit_test(a_descriptor_travels_with_the_records_that_have_one_and_no_others),
		cmocka_unit_test(smuggled_descriptors_are_closed),
		cmocka_unit_test(a_packet_that_is_too_large_is_refused_and_the_next_one_read),
		cmocka_unit_test(silence_is_a_time_out_and_a_gone_peer_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
