/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list: the node lies inside the object, the head is a node of its own. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev,
        *next; /* both NULL: not in a list; a head points at itself when empty */
};

/* The object of the given type whose member is at node. */
#define container_of(node, type, member)                                                       \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* NOLINTBEGIN(bugprone-macro-parentheses): the names they declare take no parentheses. */

/* Runs over the nodes; the current node may not be removed (use LIST_FOREACH_SAFE for that). */
#define LIST_FOREACH(node, head)                                                               \
    for (struct list_node *node = (head)->next; node != (head); node = node->next)

/* As LIST_FOREACH; the current node, and only that one, may be removed in the body. */
#define LIST_FOREACH_SAFE(node, after, head)                                                   \
    for (struct list_node *node = (head)->next, *after = node->next; node != (head);           \
         node = after, after = node->next)

/* NOLINTEND(bugprone-macro-parentheses) */

/* Makes head an empty list. */
static inline void list_init(struct list_node *head)
{
    head->prev = head;
    head->next = head;
}

/* True when nothing is in the list. */
static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

/* True when the node is in some list. */
static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

/* Puts an unlinked node at the end of the list. */
static inline void list_append(struct list_node *head, struct list_node *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Puts an unlinked node at the start of the list. */
static inline void list_prepend(struct list_node *head, struct list_node *node)
{
    list_append(head->next, node);
}

/* Takes the node out of its list; one that is in none stays as it is. */
static inline void list_remove(struct list_node *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

#endif
