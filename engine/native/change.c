#include "change.h"
#include "rows.h"

/* Whether `text` stands at `p`. */
static int stands(const char *p, const char *end, PyObject *text)
{
    Py_ssize_t length = PyBytes_GET_SIZE(text);
    return end - p >= length && memcmp(p, PyBytes_AS_STRING(text), (size_t)length) == 0;
}

static inline int is_key(const char *p, const char *end, const Part *part)
{
    uint64_t word;
    if (end - p < HEAD)
        return 0;
    memcpy(&word, p, HEAD);
    return (word & part->mask) == part->head && (PyBytes_GET_SIZE(part->name) <= HEAD || stands(p, end, part->name));
}

/* The slower way to a key: spaces, another order than last time, keys that nobody asked for (-1, and their value is
   passed over). NULL: unusual. */
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
            return p;
    }
    return scan_value(p, end, SKIPPED_DEPTH);
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

static const char *read_members(const char *p, Members *members, Change *change);

static const char *read_part(const char *p, const Part *part, Change *change)
{
    long long ignored;
    int side = part->role == ASKS, text = part->role == TOPIC;
    switch (part->role) {
    case SYMBOL:
    case TOPIC:
        return scan_text(p, change->end, &change->text[text], &change->length[text]);
    case BIDS:
    case ASKS:
        return read_side(p, change, side);
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
        change->given |= 1u << part->role;
        p = scan_integer(p, change->end, &change->numbers[part->role], 1);
        return p != NULL && change->numbers[part->role] >= 0 ? p : NULL;
    }
}

static const char *read_members(const char *p, Members *members, Change *change)
{
    unsigned seen = 0;
    int before = 0; /* the place in `after`: one more than the part that came last */
    if (*p != '{')
        return NULL;
    do {
        p = scan_space(p + 1);
        int at = members->after[before];
        if (at < members->count && is_key(p, change->end, &members->parts[at]))
            p += PyBytes_GET_SIZE(members->parts[at].name);
        else if ((p = find_part(p, change->end, members, &at)) == NULL)
            return NULL;
        if (at >= 0) {
            if (seen & 1u << at)
                return NULL; /* twice: which of them holds is not for us to say */
            seen |= 1u << at;
            members->after[before] = at;
            before = at + 1;
            if ((p = read_part(scan_space(p), &members->parts[at], change)) == NULL)
                return NULL;
        }
        p = scan_space(p);
    } while (*p == ',');
    return *p == '}' && (members->wanted & ~seen) == 0 ? p + 1 : NULL;
}

int read_change(const char *text, Py_ssize_t length, Members *members, Change *change)
{
    change->end = text + length;
    change->given = 0;
    change->count[BID] = change->count[ASK] = 0;
    const char *p = read_members(text, members, change);
    return p != NULL && scan_space(p) == change->end;
}
