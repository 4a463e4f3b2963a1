/* Tables are sorted by a click on a column's head: number columns by data-v, largest first, others
 * as a reader would; a third click brings the order of the report back.  Without the script a page
 * shows the same. */
#include "reports/html_internal.h"

#include <stddef.h>

/* clang-format off */
const char *const html_script[] = {
    "",
    "'use strict';",
    "document.querySelectorAll('table').forEach(table => {",
    "  const body = table.tBodies[0], order = [...body.rows];",
    "  if (order.length < 2) return;",
    "  const heads = [...table.tHead.rows[0].cells];",
    "  const compare = new Intl.Collator(undefined, { numeric: true }).compare;",
    "  heads.forEach((head, i) => {",
    "    const button = document.createElement('button'), number = head.classList.contains('n');",
    "    const cycle = number ? ['descending', 'ascending'] : ['ascending', 'descending'];",
    "    button.type = 'button';",
    "    button.setAttribute('aria-label', 'Sort by ' + head.textContent);",
    "    head.append('\\u00a0', button);",
    "    head.addEventListener('click', () => {",
    "      const next = cycle[cycle.indexOf(head.getAttribute('aria-sort')) + 1];",
    "      const sign = next === 'descending' ? -1 : 1;",
    "      const key = row => number ? row.cells[i].dataset.v : row.cells[i].textContent.trim();",
    "      heads.forEach(h => h.removeAttribute('aria-sort'));",
    "      if (next) head.setAttribute('aria-sort', next);",
    "      body.append(...(!next ? order : [...order].sort((x, y) => {",
    "        const a = key(x), b = key(y);",
    "        if (!a || !b) return !a - !b;              // what has no value comes last",
    "        return sign * (number ? a - b : compare(a, b));",
    "      })));",
    "    });",
    "  });",
    "});",
    NULL};
/* clang-format on */
