/* schedule.c: the table of learning rate schedules; see schedule.h.
 *   cosine     Loshchilov and Hutter, "SGDR", ICLR 2017, one period
 *   one_cycle  Smith and Topin, "Super-convergence", 2019: rise, then anneal far below the start */
#include "train/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double constant(const struct schedule *s, double step)
{
    (void)s;
    (void)step;
    return 1;
}

static double step_rate(const struct schedule *s, double step)
{
    return pow(s->factor, floor(step / s->steps_per_epoch / s->epochs));
}

static double exponential(const struct schedule *s, double step)
{
    return pow(s->factor, step / s->steps_per_epoch / s->epochs);
}

static double cosine(const struct schedule *s, double step)
{
    const double progress = (step - s->warmup_steps) / (s->steps - s->warmup_steps);
    return s->factor + (1 - s->factor) * (1 + cos(pi * progress)) / 2;
}

static double plateau(const struct schedule *s, double step)
{
    (void)step;
    return s->plateau_scale;
}

static const struct schedule_rule rules[] = {
    {"one_cycle", "from eta/25 up to eta (warm-up 0.3), then half a cosine to factor x eta (1e-4)",
     1e-4, 1, 0.3, 0.04, cosine, true},
    {"constant", "eta throughout", 1, 1, 0, 0, constant, false},
    {"step", "times factor (0.1) every so many epochs (a third of the run)", 0.1, 0, 0, 0,
     step_rate, false},
    {"exponential", "times factor (0.95) smoothly over so many epochs (1)", 0.95, 1, 0, 0,
     exponential, false},
    {"cosine", "half a cosine from eta down to factor x eta (0)", 0, 1, 0, 0, cosine, true},
    {"plateau", "times factor (0.5) after so many epochs (3) without a better loss", 0.5, 3, 0, 0,
     plateau, false},
};

const struct schedule_rule *gm_schedule_at(size_t index)
{
    return index < sizeof rules / sizeof *rules ? &rules[index] : NULL;
}

const char *gm_schedule_name(size_t index)
{
    return index < sizeof rules / sizeof *rules ? rules[index].name : NULL;
}

gemmlp_status gm_schedule_init(struct schedule *s, const gemmlp_training *training, double lr,
                               size_t steps_per_epoch, gemmlp_error *error)
{
    size_t index = 0;
    gemmlp_status status = GEMMLP_OK;
    if (training->schedule) /* else the first */
        status = gm_find_name("schedule", training->schedule, gm_schedule_name, &index, error);
    if (status != GEMMLP_OK)
        return status;
    const struct schedule_rule *rule = &rules[index];
    const double third = ceil((double)training->epochs / 3);
    const double warmup = training->warmup < 0 ? rule->warmup : training->warmup;
    *s = (struct schedule){
        .rule = rule,
        .lr = lr,
        .factor = training->schedule_factor < 0 ? rule->factor : training->schedule_factor,
        .epochs = training->schedule_epochs < 0 ? (rule->epochs > 0 ? rule->epochs : third)
                                                : training->schedule_epochs,
        .steps = (double)training->epochs * (double)steps_per_epoch,
        .steps_per_epoch = (double)steps_per_epoch,
        .warmup = warmup,
        .plateau_scale = 1,
        .best_loss = INFINITY,
    };
    s->warmup_steps = floor(warmup * s->steps);
    if (!(warmup >= 0 && warmup < 1))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "warm-up must be in [0, 1), found %g",
                       warmup);
    if (!(s->factor >= 0 && s->factor <= 1) || !(s->epochs > 0 && s->epochs < 1e9))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "schedule %s needs a factor in [0, 1] and epochs above 0, found %g and %g",
                       rule->name, s->factor, s->epochs);
    return GEMMLP_OK;
}

double gm_schedule_lr(const struct schedule *s, uint64_t step)
{
    const double t = (double)step;
    if (t >= s->warmup_steps)
        return s->lr * s->rule->rate(s, t);
    const double risen = (t + 1) / (s->warmup_steps + 1);
    return s->lr * (s->rule->start + (1 - s->rule->start) * risen);
}

bool gm_schedule_same(const struct schedule *a, const struct schedule *b)
{
    return a->rule == b->rule && a->lr == b->lr && a->factor == b->factor &&
           a->epochs == b->epochs && a->warmup_steps == b->warmup_steps &&
           (!a->rule->to_the_end || a->steps == b->steps);
}

void gm_schedule_epoch(struct schedule *s, double loss)
{
    if (loss < s->best_loss) {
        s->best_loss = loss;
        s->waited = 0;
    } else if (s->rule->rate == plateau && (double)++s->waited >= s->epochs) {
        s->plateau_scale *= s->factor;
        s->waited = 0;
    }
}
