{{ config(materialized='view') }}

with

lines as (
    select * from {{ ref('int_sales_lines_keyed') }}
),

superseded as (
    select * from {{ ref('int_documents_versioned') }}
    where is_superseded
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select lines.*
    from lines
    cross join settings
    where
        lines.invoiced_on < settings.as_of
        and not exists (
            select 1
            from superseded
            where
                superseded.document_key = lines.document_key
                and superseded.document_kind is not distinct from lines.document_kind
                and superseded.invoiced_on = lines.invoiced_on
                and superseded.version = lines.version
        )
)

select * from final
