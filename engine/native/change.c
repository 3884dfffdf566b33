#include "change.h"
#include "rows.h"

/* Whether `text` stands at `p`. */
static int stands(const char *p, const char *end, PyObject *text)
{
    Py_ssize_t length = PyBytes_GET_SIZE(text);
    return end - p >= length && memcmp(p, PyBytes_AS_STRING(text), (size_t)length) == 0;
}

/* Past a key and its colon. `at` is the part, -1 where nobody asks for it. NULL: unusual. */
static const char *find_part(const char *p, const char *end, const Members *members, int *at)
{
    const char *key;
    Py_ssize_t length;
    if ((p = scan_text(p, end, &key, &length)) == NULL || *(p = scan_space(p)) != ':')
        return NULL;
    p = scan_space(p + 1);
    for (*at = members->count - 1; *at >= 0; --*at) {
        PyObject *name = members->parts[*at].name;
        if (PyBytes_GET_SIZE(name) == length + 3 && memcmp(PyBytes_AS_STRING(name) + 1, key, (size_t)length) == 0)
            break;
    }
    return p;
}

static const char *read_side(const char *p, Change *change, int side)
{
    double columns[2];
    Py_ssize_t count = 0;
    if (*p != '[')
        return NULL;
    p = scan_space(p + 1);
    while (*p != ']') {
        if ((p = read_row(p, change->end, 1, change->exact, columns)) == NULL || keep(side, count, columns[0], columns[1]) < 0)
            return NULL;
        count++;
        p = scan_space(p);
        if (*p == ',') {
            if (*(p = scan_space(p + 1)) == ']')
                return NULL;
        } else if (*p != ']')
            return NULL;
    }
    change->count[side] = count;
    return p + 1;
}

/* Of a text near the begin of a frame: the decoders look for it within its first 64 bytes. */
enum { LONGEST_HOLDING = 48 };

static const char *read_holding(const char *p, const char *end, PyObject *text)
{
    const char *begin;
    Py_ssize_t length;
    if ((p = scan_text(p, end, &begin, &length)) == NULL || length > LONGEST_HOLDING)
        return NULL;
    for (const char *at = begin; at < begin + length; at++)
        if (stands(at, end, text))
            return p;
    return NULL;
}

static inline const char *read_whole(const char *p, int role, Change *change)
{
    long long *value = &change->numbers[role];
    change->given |= 1u << role;
    p = scan_integer(p, change->end, value, 1);
    return p != NULL && *value >= 0 ? p : NULL;
}

static const char *read_members(const char *p, Members *members, Change *change);

static const char *read_part(const char *p, const Part *part, Change *change)
{
    long long ignored;
    switch (part->role) {
    case SYMBOL:
    case TOPIC:
        return scan_text(p, change->end, &change->text[part->role == TOPIC], &change->length[part->role == TOPIC]);
    case BIDS:
    case ASKS:
        return read_side(p, change, part->role == ASKS);
    case WHOLE:
        return scan_integer(p, change->end, &ignored, 1);
    case ANY:
        return scan_value(p, change->end, SKIPPED_DEPTH);
    case NEVER:
        return NULL;
    case SAME:
        return stands(p, change->end, part->text) ? p + PyBytes_GET_SIZE(part->text) : NULL;
    case HOLDS:
        return read_holding(p, change->end, part->text);
    case MEMBERS:
        return read_members(p, part->members, change);
    case ONLY:
        if (*p != '[' || (p = read_members(scan_space(p + 1), part->members, change)) == NULL)
            return NULL;
        return *(p = scan_space(p)) == ']' ? p + 1 : NULL;
    default:
        return read_whole(p, part->role, change);
    }
}

/* A value that is no object of parts; it is remembered where it stood. */
static const char *read_value(const char *p, const Part *part, Change *change)
{
    int at = change->value_count++;
    const char *end = part != NULL ? read_part(p, part, change) : scan_value(p, change->end, SKIPPED_DEPTH);
    if (at < MOST_STEPS)
        change->values[at] = (struct Value){part, p, end};
    return end;
}

static const char *read_members(const char *p, Members *members, Change *change)
{
    unsigned seen = 0;
    if (*p != '{')
        return NULL;
    do {
        int at;
        if ((p = find_part(scan_space(p + 1), change->end, members, &at)) == NULL)
            return NULL;
        const Part *part = at >= 0 ? &members->parts[at] : NULL;
        unsigned bit = part != NULL ? 1u << at : 0;
        if (seen & bit)
            return NULL; /* twice: which of them holds is not for us to say */
        seen |= bit;
        int is_within = part != NULL && (part->role == SAME || part->role == MEMBERS || part->role == ONLY);
        if ((p = is_within ? read_part(p, part, change) : read_value(p, part, change)) == NULL)
            return NULL;
        p = scan_space(p);
    } while (*p == ',');
    return *p == '}' && (members->wanted & ~seen) == 0 ? p + 1 : NULL;
}

/* From the values of a frame that was read: all that stands between them. */
static void learn(Habit *habit, const char *text, const Change *change)
{
    int at = 0;
    habit->count = 0;
    if (change->value_count > MOST_STEPS)
        return;
    for (int i = 0; i <= change->value_count; i++) {
        int is_last = i == change->value_count;
        Py_ssize_t length = (is_last ? change->end : change->values[i].begin) - text;
        struct Step *step = &habit->steps[i];
        unsigned char mask[HEAD] = {0}, head[HEAD] = {0};
        if (length > MOST_BETWEEN - at)
            return;
        memcpy(habit->between + at, text, (size_t)length);
        memcpy(head, text, (size_t)(length < HEAD ? length : HEAD));
        memset(mask, 0xff, (size_t)(length < HEAD ? length : HEAD));
        const Part *part = is_last ? NULL : change->values[i].part;
        *step = (struct Step){part, part != NULL ? part->role : ANY, .begin = at, .length = (int)length};
        memcpy(&step->head, head, HEAD);
        memcpy(&step->mask, mask, HEAD);
        at += (int)length;
        text = is_last ? text : change->values[i].end;
    }
    habit->count = change->value_count;
}

/* Past what stood before a value last time; NULL where something else does. */
static inline const char *pass(const char *p, const char *end, const Habit *habit, const struct Step *step)
{
    uint64_t word;
    if (end - p < step->length)
        return NULL;
    if (end - p < HEAD)
        return memcmp(p, habit->between + step->begin, (size_t)step->length) == 0 ? p + step->length : NULL;
    memcpy(&word, p, HEAD);
    if ((word & step->mask) != step->head)
        return NULL;
    if (step->length > HEAD && memcmp(p + HEAD, habit->between + step->begin + HEAD, (size_t)step->length - HEAD) != 0)
        return NULL;
    return p + step->length;
}

/* 0: this frame is not written as the last one was, or it is unusual. */
static int read_as_ever(const char *p, const Habit *habit, Change *change)
{
    const struct Step *step = habit->steps, *last = step + habit->count;
    if (habit->count == 0)
        return 0;
    for (; step < last; step++) {
        if ((p = pass(p, change->end, habit, step)) == NULL)
            return 0;
        if (step->role < NUMBERS)
            p = read_whole(p, step->role, change);
        else if (step->role == BIDS || step->role == ASKS)
            p = read_side(p, change, step->role == ASKS);
        else
            p = step->part != NULL ? read_part(p, step->part, change) : scan_value(p, change->end, SKIPPED_DEPTH);
        if (p == NULL)
            return 0;
    }
    return change->end - p == last->length && pass(p, change->end, habit, last) != NULL;
}

int read_change(const char *text, Py_ssize_t length, Members *members, Habit *habit, Change *change)
{
    change->end = text + length;
    change->given = 0;
    change->count[BID] = change->count[ASK] = 0;
    if (read_as_ever(text, habit, change))
        return 1;
    if (PyErr_Occurred())
        return 0;
    change->given = 0;
    change->value_count = 0;
    change->count[BID] = change->count[ASK] = 0;
    const char *p = read_members(text, members, change);
    if (p == NULL || scan_space(p) != change->end)
        return 0;
    learn(habit, text, change);
    return 1;
}
