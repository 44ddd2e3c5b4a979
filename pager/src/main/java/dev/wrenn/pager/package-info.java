/** Page server: answers userfaultfd faults from a page source. */
@NullMarked
package dev.wrenn.pager;

import org.jspecify.annotations.NullMarked;
