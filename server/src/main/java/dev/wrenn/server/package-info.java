/** Wiring of the control plane into a process. */
@NullMarked
package dev.wrenn.server;

import org.jspecify.annotations.NullMarked;
