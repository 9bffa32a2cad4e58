{#- Text without surrounding blanks; nothing but blanks is null. -#}
{% macro cleaned_text(text) -%}
    nullif(trim({{ text }}), '')
{%- endmacro %}
