/** Proxy from {@code {port}-{capsule}.domain} to a port in the capsule. */
@NullMarked
package dev.wrenn.gateway;

import org.jspecify.annotations.NullMarked;
