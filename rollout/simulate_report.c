/* simulate_report: what simulated rollouts came to, for programs and as a picture. */
#include "rollout/simulate.h"

/* ---- JSON ---- */

static void put_time(struct json_writer *w, const char *key, int64_t v)
{
	if (v < 0)
		json_put_null(w, key);
	else
		json_put_int(w, key, v);
}

static void put_spread(struct json_writer *w, const char *key, const struct simulate_spread *s)
{
	json_open_object(w, key);
	put_time(w, "median", s->median);
	put_time(w, "p95", s->p95);
	put_time(w, "worst", s->worst);
	json_close_object(w);
}

static void put_worst(struct json_writer *w, const struct simulate_plan *p, const struct simulate_run *r)
{
	json_open_object(w, "worst_run");
	json_put_text(w, "end", simulate_end_name(r->end));
	json_put_text(w, "ring", p->policy->rings[r->ring].name);
	json_put_int(w, "hit", r->hit);
	json_put_int(w, "exposed", r->exposed);
	json_put_int(w, "people_asked", r->asked);
	put_time(w, "halt_s", r->halt_s);
	put_time(w, "cover_s", r->cover_s);
	json_put_text(w, "sentence", r->sentence);
	json_open_array(w, "rings");
	for (size_t i = 0; i < p->policy->count; i++) {
		json_open_object(w, NULL);
		json_put_text(w, "ring", p->policy->rings[i].name);
		put_time(w, "entered_s", r->entered_s[i]);
		put_time(w, "passed_s", r->passed_s[i]);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

void simulate_json(struct json_writer *w, const struct simulate_plan *p, const struct simulate_report *r)
{
	json_open_object(w, NULL);
	json_put_int(w, "fleet", p->fleet);
	json_put_double(w, "defect", p->defect);
	json_put_text(w, "stratum", p->stratum < 0 ? NULL : p->trace->strata[p->stratum].name);
	json_put_int(w, "runs", r->runs);
	json_put_int(w, "halted", r->halted);
	json_put_int(w, "held", r->held);
	json_put_int(w, "covered", r->covered);
	json_put_int(w, "first_ring_limit", r->first_limit);
	put_spread(w, "hit", &r->hit);
	put_spread(w, "halt_s", &r->halt_s);
	put_spread(w, "cover_s", &r->cover_s);
	put_worst(w, p, &r->worst);
	json_close_object(w);
}

/* ---- SVG ---- */

#define WIDTH 720
#define HEIGHT 300
#define LEFT 60
#define TOP 40
#define BOTTOM 40
#define DAY_S 86400

struct picture {
	struct buf *out;
	int64_t span_s;         /* of the time axis */
	uint32_t most;          /* of the other */
};

static double x_of(const struct picture *v, int64_t s)
{
	return LEFT + (double)(WIDTH - LEFT - 20) * (double)s / (double)v->span_s;
}

static double y_of(const struct picture *v, uint32_t n)
{
	return HEIGHT - BOTTOM - (double)(HEIGHT - TOP - BOTTOM) * n / v->most;
}

static void mark(const struct picture *v, int64_t at_s, const char *colour, const char *word, const char *name)
{
	if (at_s < 0 || at_s > v->span_s)
		return;
	buf_addf(v->out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\" stroke-dasharray=\"4 3\"/>\n", x_of(v, at_s), TOP,
		 x_of(v, at_s), HEIGHT - BOTTOM, colour);
	buf_addf(v->out, "<text x=\"%.1f\" y=\"%d\" fill=\"%s\">%s %s</text>\n", x_of(v, at_s) + 3, TOP + 10, colour, name, word);
}

static void curve(const struct picture *v, const struct simulate_run *r)
{
	const int64_t step_s = (int64_t)SIMULATE_DAYS * DAY_S / SIMULATE_POINTS;

	buf_adds(v->out, "<polyline fill=\"none\" stroke=\"#1f5fbf\" stroke-width=\"2\" points=\"");
	for (int i = 0; i < SIMULATE_POINTS && i * step_s <= v->span_s; i++)
		buf_addf(v->out, "%.1f,%.1f ", x_of(v, i * step_s), y_of(v, r->curve[i]));
	buf_adds(v->out, "\"/>\n");
}

void simulate_svg(struct buf *out, const struct simulate_plan *p, const struct simulate_report *r)
{
	const struct simulate_run *run = &r->worst;
	int64_t end_s = run->cover_s >= 0 ? run->cover_s : run->halt_s >= 0 ? run->halt_s : (int64_t)SIMULATE_DAYS * DAY_S;
	struct picture v = { .out = out, .span_s = (end_s / DAY_S + 2) * DAY_S, .most = run->exposed > 0 ? run->exposed : 1 };

	buf_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n", WIDTH, HEIGHT);
	buf_addf(out, "<title>%u endpoints, %u runs: hit %lld (median), %lld (95 %%), %lld (worst)</title>\n", p->fleet, r->runs,
		 (long long)r->hit.median, (long long)r->hit.p95, (long long)r->hit.worst);
	buf_addf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, HEIGHT);
	buf_addf(out, "<text x=\"%d\" y=\"20\" font-size=\"13\">Endpoints that took the content, worst of %u runs: %u hit of %u</text>\n", LEFT, r->runs,
		 run->hit, p->fleet);
	buf_addf(out, "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#444\"/>\n", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - 20);
	buf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%u</text>\n", LEFT - 5, TOP + 4, v.most);
	buf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>\n", LEFT - 5, HEIGHT - BOTTOM);
	for (int64_t day = 1; day * DAY_S <= v.span_s; day += 1 + v.span_s / DAY_S / 12)
		buf_addf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">day %lld</text>\n", x_of(&v, day * DAY_S), HEIGHT - BOTTOM + 15,
			 (long long)day);
	curve(&v, run);
	for (size_t i = 0; i < p->policy->count; i++)
		mark(&v, run->passed_s[i], "#2a7d2a", "passed", p->policy->rings[i].name);
	mark(&v, run->halt_s, "#b00020", run->end == SIMULATE_HELD ? "held" : "halted", p->policy->rings[run->ring].name);
	buf_adds(out, "</svg>\n");
}
