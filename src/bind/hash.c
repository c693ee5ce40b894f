/* vega.core.hash: FNV-1a and SHA-256 of texts, bytes as hexadecimal and base64, and the canonical text of an architecture: one line a
 * decision, "name=value", values marked by type.
 * The rules of the text are those of lua/vega/space/text.lua (text.canonical); a test holds the two together. */
#include "base/hash.h"

#include <string.h>

#include "base/sha256.h"
#include "bind/vgl.h"

/* A growing luaL_Buffer wants the top of the stack for itself, so what is being written is moved to a fixed slot below it first. */
enum { NAMES = 1, ARCH = 2, VALUE = 3, ELEMENT = 4 };

/* Where the text goes: into a Lua string, or into a hash without ever being one. */
typedef struct sink {
  luaL_Buffer *text;                                  /* NULL: hash only */
  uint64_t hash;
} sink;

static void put(sink *to, const char *data, size_t n) {
  if (to->text) luaL_addlstring(to->text, data, n);
  else to->hash = vg_hash_fnv(to->hash, data, n);
}

static void put_number(sink *to, lua_State *L, int slot) {
  char line[64];
  int n = lua_isinteger(L, slot) ? snprintf(line, sizeof line, "i:" LUA_INTEGER_FMT, lua_tointeger(L, slot))
                                 : snprintf(line, sizeof line, "f:%.17g", lua_tonumber(L, slot) + 0.0);      /* -0.0 + 0.0 is 0.0 */
  if (line[0] == 'f' && !strpbrk(line + 2, ".en")) n += snprintf(line + n, sizeof line - (size_t)n, ".0");
  put(to, line, (size_t)n);
}

static void put_string(sink *to, lua_State *L, int slot) {
  char head[32];
  size_t n;
  const char *s = lua_tolstring(L, slot, &n);
  put(to, head, (size_t)snprintf(head, sizeof head, "s:%zu:", n));
  put(to, s, n);
}

static void put_value(sink *to, lua_State *L, int slot) {
  switch (lua_type(L, slot)) {
    case LUA_TNUMBER: put_number(to, L, slot); break;
    case LUA_TBOOLEAN: put(to, lua_toboolean(L, slot) ? "b:1" : "b:0", 3); break;
    case LUA_TSTRING: put_string(to, L, slot); break;
    default: luaL_error(L, "hash: a value of an architecture is a %s", luaL_typename(L, slot));
  }
}

/* Moves the value on top of the stack to a slot. */
static void move_to(lua_State *L, int slot) {
  lua_copy(L, -1, slot);
  lua_pop(L, 1);
}

static void put_list(sink *to, lua_State *L) {
  put(to, "[", 1);
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, VALUE); i <= n; i++) {
    if (i > 1) put(to, ",", 1);
    lua_rawgeti(L, VALUE, i);
    move_to(L, ELEMENT);
    put_value(to, L, ELEMENT);
  }
  put(to, "]", 1);
}

static void put_architecture(sink *to, lua_State *L) {
  int is_first = 1;
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, NAMES); i <= n; i++) {
    size_t length;
    lua_rawgeti(L, NAMES, i);
    const char *name = lua_tolstring(L, -1, &length);
    int kind = lua_rawget(L, ARCH);                   /* the name gives way to its value */
    move_to(L, VALUE);
    if (kind == LUA_TNIL) continue;                   /* a decision that is not active */
    if (!is_first) put(to, "\n", 1);
    is_first = 0;
    put(to, name, length);
    put(to, "=", 1);
    if (kind == LUA_TTABLE) put_list(to, L);
    else put_value(to, L, VALUE);
  }
}

static void check_arguments(lua_State *L) {
  luaL_checktype(L, NAMES, LUA_TTABLE);
  luaL_checktype(L, ARCH, LUA_TTABLE);
  lua_settop(L, ELEMENT);
}

static int hash_canonical(lua_State *L) {             /* canonical(names, arch) -> text */
  luaL_Buffer b;
  check_arguments(L);
  luaL_buffinit(L, &b);
  put_architecture(&(sink){ .text = &b }, L);
  luaL_pushresult(&b);
  return 1;
}

static int hash_architecture(lua_State *L) {          /* architecture(names, arch) -> FNV-1a of the canonical text, 16 hexadecimal digits */
  char hex[17];
  sink to = { .hash = VG_FNV_START };
  check_arguments(L);
  put_architecture(&to, L);
  snprintf(hex, sizeof hex, "%016llx", (unsigned long long)to.hash);
  lua_pushlstring(L, hex, 16);
  return 1;
}

static int hash_fnv(lua_State *L) {                   /* fnv(text) -> integer */
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  lua_pushinteger(L, (lua_Integer)vg_hash_fnv(VG_FNV_START, text, n));
  return 1;
}

static int hash_sha256(lua_State *L) {                /* sha256(text) -> 32 bytes */
  uint8_t digest[VG_SHA256_BYTES];
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  vg_sha256(digest, text, n);
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

static int hash_hex(lua_State *L) {                   /* hex(bytes) -> two hexadecimal digits a byte */
  size_t n;
  const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &n);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, 2 * n);
  for (size_t i = 0; i < n; i++) {
    to[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    to[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  luaL_pushresultsize(&b, 2 * n);
  return 1;
}

static int hash_base64(lua_State *L) {                /* base64(bytes) -> text, RFC 4648 */
  static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t n, at = 0;
  const unsigned char *p = (const unsigned char *)luaL_checklstring(L, 1, &n);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, (n + 2) / 3 * 4);
  for (size_t i = 0; i < n; i += 3) {
    size_t have = n - i < 3 ? n - i : 3;
    unsigned bits = (unsigned)p[i] << 16 | (have > 1 ? (unsigned)p[i + 1] << 8 : 0) | (have > 2 ? p[i + 2] : 0);
    for (size_t k = 0; k < 4; k++) to[at++] = k <= have ? DIGITS[bits >> (18 - 6 * k) & 63] : '=';
  }
  luaL_pushresultsize(&b, at);
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "architecture", hash_architecture }, { "base64", hash_base64 }, { "canonical", hash_canonical },
                                      { "fnv", hash_fnv }, { "hex", hash_hex }, { "sha256", hash_sha256 }, { NULL, NULL } };

int luaopen_vega_core_hash(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
