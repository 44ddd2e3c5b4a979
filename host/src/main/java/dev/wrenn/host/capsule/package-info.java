/** Life of a capsule on this host: start, pause, resume, expiry, adoption. */
@NullMarked
package dev.wrenn.host.capsule;

import org.jspecify.annotations.NullMarked;
