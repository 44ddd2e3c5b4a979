/** What the operator of the platform sees of it, for Prometheus. */
@NullMarked
package dev.wrenn.control.operator;

import org.jspecify.annotations.NullMarked;
