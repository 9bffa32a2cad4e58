with

lines as (
    select * from {{ ref('stg_sales_list__lines') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

final as (
    select
        lines.line_id,
        lines.currency,
        settings.reporting_currency
    from lines
    cross join settings
    where lines.currency is distinct from settings.reporting_currency
)

select * from final
