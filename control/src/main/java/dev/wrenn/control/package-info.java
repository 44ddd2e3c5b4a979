/** API, authentication, persistence, reconciliation. */
@NullMarked
package dev.wrenn.control;

import org.jspecify.annotations.NullMarked;
