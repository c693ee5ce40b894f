/* PNG by libpng's simplified interface, JPEG by TurboJPEG, both from memory. */
#include "data/image.h"

#include <math.h>
#include <png.h>
#include <string.h>
#include <strings.h>
#include <turbojpeg.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MAX_FILE = 256 << 20, MAX_SIDE = 16384, MAX_PIXELS = 1 << 27, FREE_PIXELS = 1 << 25, SCANS = 16 };

bool vg_image_is_name(const char *file) {
  const char *dot = strrchr(file, '.');
  return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

/* Pictures that are small as files and take long: a byte may stand for 32 pixels (of photographs for 20 at most), beyond 32 million pixels, and 16 scans
 * (of progressive pictures 10) for each. */
static int is_bomb(int64_t pixels, int64_t scans, size_t bytes) {
  int64_t fair = bytes < MAX_FILE ? 32 * (int64_t)bytes : MAX_PIXELS;
  return pixels * (scans > SCANS ? scans : SCANS) > (fair > FREE_PIXELS ? fair : FREE_PIXELS) * SCANS;
}

static vg_status room(vg_image *out, int h, int w, int64_t scans, size_t bytes, const char *path) {
  if (h < 1 || w < 1 || h > MAX_SIDE || w > MAX_SIDE || (int64_t)h * w > MAX_PIXELS) return vg_fail(VG_EFORMAT, "%s: a picture of %d x %d", path, h, w);
  if (is_bomb((int64_t)h * w, scans, bytes))
    return vg_fail(VG_EFORMAT, "%s: a picture of %d x %d in %lld scans out of %zu bytes", path, h, w, (long long)scans, bytes);
  out->h = h;
  out->w = w;
  return vg_alloc((void **)&out->rgb, (size_t)h * (size_t)w * 3);
}

static vg_status read_png(vg_image *out, const void *data, size_t bytes, const char *path) {
  png_image image = { .version = PNG_IMAGE_VERSION };
  if (!png_image_begin_read_from_memory(&image, data, bytes)) return vg_fail(VG_EFORMAT, "%s: %s", path, image.message);
  image.format = PNG_FORMAT_RGB;
  vg_status s = image.width > MAX_SIDE || image.height > MAX_SIDE ? vg_fail(VG_EFORMAT, "%s: a picture of %u x %u", path, image.height, image.width)
                                                                   : room(out, (int)image.height, (int)image.width, 1, bytes, path);
  png_color black = { 0, 0, 0 };
  if (s == VG_OK && (!png_image_finish_read(&image, &black, out->rgb, 0, NULL) || PNG_IMAGE_FAILED(image))) {
    s = vg_fail(VG_EFORMAT, "%s: %s", path, image.message);
  }
  png_image_free(&image);
  return s;
}

/* Scans begin with FF DA, which nothing else within a scan holds. */
static int64_t count_scans(const unsigned char *data, size_t bytes) {
  int64_t n = 0;
  for (size_t i = 0; i + 1 < bytes; i++) n += data[i] == 0xff && data[i + 1] == 0xda;
  return n;
}

static vg_status read_jpeg(vg_image *out, const unsigned char *data, size_t bytes, const char *path) {
  int w, h, sampling, space;
  tjhandle tj = tjInitDecompress();
  if (!tj) return vg_fail(VG_ENOMEM, "%s: %s", path, tjGetErrorStr());
  vg_status s = VG_OK;
  if (tjDecompressHeader3(tj, data, bytes, &w, &h, &sampling, &space) != 0) s = vg_fail(VG_EFORMAT, "%s: %s", path, tjGetErrorStr2(tj));
  if (s == VG_OK) s = room(out, h, w, count_scans(data, bytes), bytes, path);
  /* A warning (data that ends early) counts: half a picture is a damaged file. */
  if (s == VG_OK && tjDecompress2(tj, data, bytes, out->rgb, w, 0, h, TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
    s = vg_fail(VG_EFORMAT, "%s: %s", path, tjGetErrorStr2(tj));
  tjDestroy(tj);
  return s;
}

vg_status vg_image_decode(vg_image *out, const void *data, size_t bytes, const char *name) {
  const unsigned char *p = data;
  vg_image image = { 0 };
  vg_status s;
  if (bytes >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) s = read_png(&image, data, bytes, name);
  else if (bytes >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff) s = read_jpeg(&image, p, bytes, name);
  else s = vg_fail(VG_EFORMAT, "%s: neither PNG nor JPEG", name);
  if (s != VG_OK) vg_free(image.rgb);
  else *out = image;
  return s;
}

vg_status vg_image_read(vg_image *out, const char *path) {
  void *data;
  size_t bytes;
  VG_TRY(vg_file_read(&data, &bytes, path, MAX_FILE));
  vg_status s = vg_image_decode(out, data, bytes, path);
  vg_free(data);
  return s;
}

/* Position `i` of `n` in a row of `m`: two neighbours and the weight of the second. */
static float place(int *first, int *second, int i, int n, int m) {
  float at = ((float)i + 0.5f) * (float)m / (float)n - 0.5f;
  if (at < 0) at = 0;
  *first = (int)at < m - 1 ? (int)at : m - 1;
  *second = *first + 1 < m ? *first + 1 : *first;
  return at - (float)*first;
}

void vg_image_resize(uint8_t *dst, int h, int w, const vg_image *src) {
  for (int y = 0; y < h; y++) {
    int y0, y1, x0, x1;
    float fy = place(&y0, &y1, y, h, src->h);
    const uint8_t *top = src->rgb + (size_t)y0 * (size_t)src->w * 3, *low = src->rgb + (size_t)y1 * (size_t)src->w * 3;
    for (int x = 0; x < w; x++) {
      float fx = place(&x0, &x1, x, w, src->w);
      for (int c = 0; c < 3; c++) {
        float a = (float)top[x0 * 3 + c] * (1 - fx) + (float)top[x1 * 3 + c] * fx;
        float b = (float)low[x0 * 3 + c] * (1 - fx) + (float)low[x1 * 3 + c] * fx;
        *dst++ = (uint8_t)(a * (1 - fy) + b * fy + 0.5f);
      }
    }
  }
}
