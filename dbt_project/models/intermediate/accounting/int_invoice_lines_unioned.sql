with

sales_list as (
    select * from {{ ref('stg_sales_list__lines') }}
),

lexware_office as (
    select * from {{ ref('int_lexware_office_lines_named') }}
),

datev as (
    select * from {{ ref('int_datev_invoice_lines_named') }}
),

accounting_sources as (
    select * from {{ ref('accounting_sources') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

exchange_rates as (
    select * from {{ ref('int_exchange_rates_dated') }}
),

unioned as (
    select
        'sales_list' as source,
        line_id,
        load_id,
        load_id as version,
        file_name,
        file_row,
        document_number,
        document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        quantity,
        unit_price,
        line_amount_net,
        currency
    from sales_list
    union all
    select
        'lexware_office' as source,
        line_id,
        load_id,
        'current' as version,
        cast(null as {{ dbt.type_string() }}) as file_name,
        line_position as file_row,
        document_number,
        document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        quantity,
        unit_price,
        line_amount_net,
        currency
    from lexware_office
    union all
    select
        'datev' as source,
        line_id,
        load_id,
        'current' as version,
        file_name,
        file_row,
        document_number,
        document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        cast(null as decimal(28, 6)) as quantity,
        cast(null as decimal(28, 6)) as unit_price,
        line_amount_net,
        currency
    from datev
),

-- Only what is in another currency has to find a rate.
priced as (
    select
        unioned.*,
        accounting_sources.precedence,
        coalesce(unioned.currency, settings.reporting_currency) as document_currency,
        nullif(unioned.currency, settings.reporting_currency) as foreign_currency
    from unioned
    cross join settings
    inner join accounting_sources on unioned.source = accounting_sources.source
),

rated as (
    select
        priced.*,
        exchange_rates.factor as exchange_factor
    from priced
    left join exchange_rates
        on
            priced.foreign_currency = exchange_rates.currency
            and priced.invoiced_on >= exchange_rates.valid_from
            and priced.invoiced_on < exchange_rates.valid_before
),

final as (
    select
        source,
        line_id,
        load_id,
        cast(precedence as {{ dbt.type_string() }}) || ':' || version as version,
        file_name,
        file_row,
        document_number,
        document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        product_code,
        product_name,
        quantity,
        case
            when foreign_currency is null then unit_price
            else cast(unit_price * exchange_factor as decimal(28, 6))
        end as unit_price,
        case
            when foreign_currency is null then line_amount_net
            else cast(line_amount_net * exchange_factor as decimal(28, 6))
        end as line_amount_net,
        document_currency,
        line_amount_net as document_line_amount_net
    from rated
)

select * from final
