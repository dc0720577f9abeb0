#include "view/view.h"

#include "base/file.h"
#include "view/embed.h"

#include <string.h>

EMBED(view_page, "reports/page.html");

int page_write(const char *path, const char *title, const char *body, struct err *err)
{
    static const char title_mark[] = "@TITLE@", body_mark[] = "@BODY@";
    struct text page = {0};
    for (const char *p = view_page; *p;) {
        if (starts_with(p, title_mark)) {
            text_html(&page, title);
            p += strlen(title_mark);
        } else if (starts_with(p, body_mark)) {
            text_puts(&page, body);
            p += strlen(body_mark);
        } else {
            text_add(&page, p++, 1);
        }
    }
    return text_publish(&page, path, err);
}
