{#- SHA-256 of a text in UTF-8, 64 hexadecimal digits in lower case. -#}
{% macro text_sha256(text) -%}
    {{ return(adapter.dispatch('text_sha256')(text)) }}
{%- endmacro %}

{% macro duckdb__text_sha256(text) -%}
    sha256({{ text }})
{%- endmacro %}

{% macro spark__text_sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}
