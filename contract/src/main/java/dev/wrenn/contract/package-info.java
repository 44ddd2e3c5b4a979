/** Ids, wire records, error codes and the seams between processes. */
@NullMarked
package dev.wrenn.contract;

import org.jspecify.annotations.NullMarked;
