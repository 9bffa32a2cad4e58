{#-
    The newest version of every record that its source still has. An API's loads hold what changed,
    so that the versions of one table lie in several of them; a deletion is a version, too.
-#}
{% macro current_records(relation, key) -%}
    select *
    from (
        select
            *,
            row_number() over (
                partition by {{ key | join(', ') }} order by _load_id desc, _row desc
            ) as _version
        from {{ relation }}
    ) as versions
    where _version = 1 and not coalesce(_is_deleted, false)
{%- endmacro %}
