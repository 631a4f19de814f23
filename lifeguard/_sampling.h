/* Which keys are in a sample: what `lifeguard.keys.sampling` says in Python, for plain keys. Included by _speedups.c alone. */

static PyObject *draw_lot; /* lifeguard.keys.lot */
static unsigned int crc_table[256];

static void make_crc_table(void) {
    for (unsigned int byte = 0; byte < 256; byte++) {
        unsigned int crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        crc_table[byte] = crc;
    }
}

/* The lot that a plain key has drawn; -1 without an exception where that cannot be said. */
static long long lot_of(PyObject *key) {
    char digits[24];
    const char *text = digits;
    Py_ssize_t length = -1;
    if (PyUnicode_CheckExact(key)) {
        if (PyUnicode_IS_COMPACT_ASCII(key)) {
            text = (const char *)PyUnicode_1BYTE_DATA(key);
            length = PyUnicode_GET_LENGTH(key);
        }
    } else {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (!overflow) length = PyOS_snprintf(digits, sizeof digits, "%lld", number);
    }
    if (length < 0) {
        PyObject *answer = PyObject_CallOneArg(draw_lot, key);
        long long drawn = answer == NULL ? -1 : PyLong_AsLongLong(answer);
        Py_XDECREF(answer);
        if (PyErr_Occurred()) PyErr_Clear();
        return drawn;
    }
    unsigned int crc = 0xFFFFFFFFu;
    for (Py_ssize_t i = 0; i < length; i++) crc = crc_table[(crc ^ (unsigned char)text[i]) & 0xFF] ^ (crc >> 8);
    return (unsigned int)((crc ^ 0xFFFFFFFFu) * 0x9E3779B1u);
}

/* Whether a plain key is in no scope's sample, on a lane of a scope that watches one. */
static inline int is_left_out(LaneObject *lane, PyObject *key) {
    return lane->limit != NULL && lane->limit != Py_None && lot_of(key) >= PyLong_AsLongLong(lane->limit);
}

/* The same for an acquire, which is then counted. */
static inline int leave_out(LaneObject *lane, PyObject *key) {
    if (!is_left_out(lane, key)) return 0;
    TableObject *table = table_of(lane);
    if (table == NULL) return 0;
    table->left_out++;
    return 1;
}
