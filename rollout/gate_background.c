#include "rollout/gate_background.h"

#include <math.h>

#define TAIL 0.025              /* 97.5 %, one-sided */
#define HALVINGS 60
#define TERMS 10000

/* The continued fraction of the incomplete beta function, by Lentz. */
static double fraction(double a, double b, double x)
{
	double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), f = d;

	for (int m = 1; m < TERMS; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double step;

		d = 1 / (1 + even * d);
		c = 1 + even / c;
		f *= c * d;
		d = 1 / (1 + odd * d);
		c = 1 + odd / c;
		step = c * d;
		f *= step;
		if (fabs(step - 1) < 1e-13)
			break;
	}
	return f;
}

/* lgamma() says the sign in a variable that all threads share. */
static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

/* The regularised incomplete beta function I_x(a, b). */
static double beta_cdf(double x, double a, double b)
{
	double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));

	return x < (a + 1) / (a + b + 2) ? front * fraction(a, b, x) / a : 1 - front * fraction(b, a, 1 - x) / b;
}

/* The rate at which `lost` or fewer of so many would be seen only once in forty. */
double gate_background_upper(uint64_t placebos, uint64_t lost)
{
	double low = 0, high = 1;

	if (placebos == 0 || lost >= placebos)
		return 1;
	for (int i = 0; i < HALVINGS; i++) {
		double rate = (low + high) / 2;

		if (beta_cdf(rate, (double)lost + 1, (double)(placebos - lost)) < 1 - TAIL)
			low = rate;
		else
			high = rate;
	}
	return high;
}

bool gate_background_known(double p0, uint64_t placebos, uint64_t lost)
{
	return gate_background_upper(placebos, lost) <= p0 / 2;
}

double gate_background_p0(uint64_t placebos, uint64_t lost)
{
	double wanted = 2 * gate_background_upper(placebos, lost);
	double unit = pow(10, floor(log10(wanted)) - 1);

	return ceil(wanted / unit * (1 - 1e-12)) * unit;
}

uint64_t gate_background_needed(double p0)
{
	uint64_t n = (uint64_t)ceil(log(TAIL) / log1p(-p0 / 2));

	while (!gate_background_known(p0, n, 0))
		n++;
	return n;
}
