/* SPDX-License-Identifier: MIT */
/* The number of files that the agent may open. A walk through a tree needs one for each level, and
 * the user's programs get the limit that the agent was started with. */
#ifndef AGENT_FILE_LIMIT_H
#define AGENT_FILE_LIMIT_H

/* Raises the agent's limit as far as it may. */
void file_limit_raise(void);

/* Undoes that, in a child. */
void file_limit_restore(void);

#endif
