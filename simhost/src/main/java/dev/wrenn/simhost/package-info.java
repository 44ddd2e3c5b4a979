/** A host agent without VMs for tests, and the suites that every host agent passes. */
@NullMarked
package dev.wrenn.simhost;

import org.jspecify.annotations.NullMarked;
