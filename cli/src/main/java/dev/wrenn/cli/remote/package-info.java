/** Commands that work through the public API, on this machine's server or on another's. */
@NullMarked
package dev.wrenn.cli.remote;

import org.jspecify.annotations.NullMarked;
