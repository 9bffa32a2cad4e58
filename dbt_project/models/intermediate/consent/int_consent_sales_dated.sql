with

lines as (
    select * from {{ ref('int_sales_lines_current') }}
    where line_amount_net > 0
),

buyers as (
    select * from {{ ref('int_buyers_recorded') }}
),

organisations as (
    select * from {{ ref('int_organisations_unioned') }}
),

loads as (
    select
        source,
        load_id,
        min(pulled_at) as pulled_at
    from {{ ref('stg_quality__loads') }}
    group by source, load_id
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

-- Where no country uses the exception nothing is kept for it.
used as (
    select count(*) as country_count from {{ ref('consent_jurisdictions') }}
    where has_existing_customer_exception
),

notices as (
    select
        given.*,
        cast(given.valid_from as date) as first_day,
        cast(given.valid_before as date) as end_day
    from {{ ref('consent_notices') }} as given
    inner join settings on given.company = settings.company
),

-- The address came with the sale: it stands in the document, or in the account that was billed.
sales as (
    select
        lines.source,
        coalesce(lines.email, organisations.email) as contact_point,
        lower(coalesce(lines.product_code, '')) as product_code,
        lines.document_key,
        lines.invoiced_on,
        lines.load_id,
        loads.pulled_at
    from lines
    cross join used
    left join buyers
        on
            lines.source = buyers.source
            and lines.customer_key_hash = buyers.customer_key_hash
    left join organisations
        on
            buyers.source = organisations.source
            and buyers.record_id = organisations.record_id
    left join loads
        on
            lines.source = loads.source
            and lines.load_id = loads.load_id
    where used.country_count > 0
),

-- One a year of each product: what is bought weekly is not told weekly.
first_of_the_year as (
    select
        source,
        contact_point,
        product_code,
        extract(year from invoiced_on) as year_of_sale,
        min(document_key) as source_record,
        min(invoiced_on) as invoiced_on,
        min(load_id) as load_id,
        min(pulled_at) as pulled_at
    from sales
    where contact_point is not null
    group by source, contact_point, product_code, extract(year from invoiced_on)
),

told as (
    select
        first_of_the_year.*,
        'exception_basis_recorded' as event,
        'paid_contract:' || first_of_the_year.product_code as detail
    from first_of_the_year
    union all
    select
        first_of_the_year.*,
        'notice_given' as event,
        notices.kind as detail
    from first_of_the_year
    inner join notices
        on
            (notices.source is null or first_of_the_year.source = notices.source)
            and first_of_the_year.invoiced_on >= notices.first_day
            and (notices.end_day is null or first_of_the_year.invoiced_on < notices.end_day)
),

final as (
    select
        source,
        source_record,
        contact_point,
        event,
        detail,
        cast(invoiced_on as timestamp with time zone) as happened_at,
        load_id as recorded_load_id,
        pulled_at as recorded_at
    from told
)

select * from final
