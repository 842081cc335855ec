/* SPDX-License-Identifier: MIT */
/* What `localhost` is, for images that do not say it: their /etc/hosts is empty as a rule, and left to who runs them. */
#ifndef AGENT_HOSTS_H
#define AGENT_HOSTS_H

/* Writes /etc/hosts where there is none, or an empty one. Where that cannot be (a read-only /etc, something else of that
 * name) the sandbox does without. */
void hosts_provide(void);

#endif
