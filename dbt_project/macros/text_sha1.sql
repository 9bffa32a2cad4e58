{#- SHA-1 of a text in UTF-8, 40 hexadecimal digits in lower case. -#}
{% macro text_sha1(text) -%}
    sha1({{ text }})
{%- endmacro %}
