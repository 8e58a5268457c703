/* SPDX-License-Identifier: MIT */
/* Who may open the admin doors: users with their password hashes. */
#ifndef CONF_USERS_H
#define CONF_USERS_H

#include <stdbool.h>

#include "base/text.h"
#include "conf/values.h"

extern const struct value_kind value_user, value_users_file;

/* The hashes that crypt(5) calls strong; what else there is can be tried out too fast. */
#define USERS_METHODS "yescrypt, gost-yescrypt, scrypt, bcrypt or sha512crypt"

/* True when the text is a whole hash of one of these methods; else a sentence in why. */
bool users_is_hash(const char *hash, struct text *why);

/* True when it is a user's name: one word without a colon, which ends a name in HTTP. */
bool users_is_name(const char *name);

#endif
